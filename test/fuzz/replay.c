/* A fuzz target without a fuzzer: its inputs are the files named, each in turn. What is wrong with one of them ends the program. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

enum { MOST = 1 << 20 };

static void replay(const char *path)
{
	FILE    *f = fopen(path, "rb");
	uint8_t *data = malloc(MOST);
	size_t   n;

	if (!f || !data) {
		fprintf(stderr, "cannot read %s\n", path);
		exit(2);
	}
	n = fread(data, 1, MOST, f);
	fclose(f);
	data = realloc(data, n ? n : 1);	/* so that a read behind its end is noticed */
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(data, n);
	free(data);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	return 0;
}
