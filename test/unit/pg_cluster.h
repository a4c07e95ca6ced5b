#pragma once
/* A PostgreSQL server for a test program: test/lib/postgres.py, obeying through two pipes, gone when the program ends. Made at its first use. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

static struct {
	FILE    *to, *from;
	char     folder[96];
	unsigned port;
} cluster;

static inline void cluster_spawn(int in, int out)
{
	if (fork())
		return;
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	for (int fd = 3; fd < 64; fd++)
		close(fd);
	unsetenv("ASAN_OPTIONS");
	execlp("python3", "python3", "test/lib/postgres.py", (char *)NULL);
	_exit(127);
}

static inline void cluster_start(void)
{
	char line[128];
	int  to[2], from[2];

	if (cluster.to)
		return;
	CHECK(!pipe(to) && !pipe(from));
	cluster_spawn(to[0], from[1]);
	close(to[0]);
	close(from[1]);
	cluster.to = fdopen(to[1], "w");
	cluster.from = fdopen(from[0], "r");
	CHECK(fgets(line, sizeof(line), cluster.from) && sscanf(line, "ready %95s %u", cluster.folder, &cluster.port) == 2);
}

/* "stop", "start", "kill", "sql DATABASE TEXT" */
static inline void cluster_do(const char *command)
{
	char line[64] = "";

	fprintf(cluster.to, "%s\n", command);
	fflush(cluster.to);
	CHECK(fgets(line, sizeof(line), cluster.from) && !strcmp(line, "done\n"));
}
