/* Passwords come from a prompt, from standard input or from a generator; never from the command line, which every user of the machine may read. */
#include "ctl/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/random.h"

enum { MOST_PASSWORD = 128, SHORT_PASSWORD = 8, GENERATED = 20 };

static const int stops[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };

static struct {
	volatile sig_atomic_t signal;	/* came while the terminal did not echo */
} tty;

static void on_signal(int sig)
{
	tty.signal = sig;
}

/* 20 characters of 57 that look unlike each other: 116 bits. */
static enum err generate(struct ctl *c, struct str *password)
{
	static const char alphabet[] = "23456789abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ";
	char             *p = arena_alloc(c->arena, GENERATED);

	if (!p)
		return ERR_NOMEM;
	for (int i = 0; i < GENERATED; i++)
		p[i] = alphabet[random_below(sizeof(alphabet) - 1)];
	*password = str_n(p, GENERATED);
	return OK;
}

/* A line without its end. -1 with errno; a signal of ours is EINTR. */
static ssize_t read_line(int fd, char *room, size_t cap)
{
	size_t n = 0;
	char   ch;

	for (;;) {
		ssize_t got = read(fd, &ch, 1);

		if (got < 0)
			return -1;
		if (got == 0 || ch == '\n')
			break;
		if (n < cap)
			room[n] = ch;
		n++;
	}
	if (n && n <= cap && room[n - 1] == '\r')
		n--;
	if (n <= cap)
		return (ssize_t)n;
	errno = EMSGSIZE;
	return -1;
}

static void catch_signals(struct sigaction *before)
{
	struct sigaction ours = { .sa_handler = on_signal };	/* no SA_RESTART: read() ends */

	tty.signal = 0;
	for (size_t i = 0; i < COUNT_OF(stops); i++) {
		sigaction(stops[i], &ours, &before[i]);
		if (before[i].sa_handler == SIG_IGN)	/* as a shell starts what runs behind it: that is to be left so */
			sigaction(stops[i], &before[i], NULL);
	}
}

static void release_signals(const struct sigaction *before)
{
	for (size_t i = 0; i < COUNT_OF(stops); i++)
		sigaction(stops[i], &before[i], NULL);
	if (tty.signal)
		raise(tty.signal);	/* now that the terminal echoes again */
}

static ssize_t ask(int fd, const char *prompt, char *room, size_t cap)
{
	struct sigaction before[COUNT_OF(stops)];
	struct termios   was, quiet;
	ssize_t          n;

	if (tcgetattr(fd, &was))
		return -1;
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	catch_signals(before);
	(void)tcsetattr(fd, TCSAFLUSH, &quiet);
	dprintf(fd, "%s: ", prompt);
	n = read_line(fd, room, cap);
	dprintf(fd, "\n");
	(void)tcsetattr(fd, TCSAFLUSH, &was);
	release_signals(before);
	return n;
}

static enum err prompt_twice(struct ctl *c, int fd, char *room, ssize_t *n)
{
	char again[MOST_PASSWORD];
	bool same;

	*n = ask(fd, "Password", room, MOST_PASSWORD);
	if (*n < 0)
		return ctl_fail(c, ERR_IO, "the password was not read: %s", strerror(errno));
	if (*n == 0)
		return OK;	/* refused below, for being empty */
	same = ask(fd, "Once more", again, sizeof(again)) == *n && !memcmp(room, again, (size_t)*n);
	crypto_wipe(again, sizeof(again));
	return same ? OK : ctl_fail(c, ERR_STATE, "the two are not the same; nothing was changed");
}

static enum err prompt(struct ctl *c, char *room, ssize_t *n)
{
	int      fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	enum err err;

	if (fd < 0)
		return ctl_fail(c, ERR_SYNTAX, "there is no terminal to ask for the password on: use --stdin or --generate");
	err = prompt_twice(c, fd, room, n);
	close(fd);
	return err;
}

static enum err check(struct ctl *c, struct str p)
{
	if (!p.len)
		return ctl_fail(c, ERR_STATE, "the password is empty; nothing was changed");
	for (size_t i = 0; i < p.len; i++)
		if ((unsigned char)p.p[i] < ' ' || p.p[i] == 0x7f)
			return ctl_fail(c, ERR_STATE, "the password has a control character, which no phone can be given; nothing was changed");
	if (p.len < SHORT_PASSWORD)
		fprintf(stderr, "siparioctl: warning: a password of %zu characters is easily guessed; --generate makes a good one\n", p.len);
	return OK;
}

enum err ctl_password(struct ctl *c, struct str *password)
{
	char    *room = arena_alloc(c->arena, MOST_PASSWORD);
	ssize_t  n = -1;
	enum err err = OK;

	if (!room)
		return ERR_NOMEM;
	if (c->options & OPT_GENERATE)
		return c->options & OPT_STDIN ? ctl_fail(c, ERR_SYNTAX, "--stdin and --generate exclude each other") : generate(c, password);
	if (c->options & OPT_STDIN)
		n = read_line(STDIN_FILENO, room, MOST_PASSWORD);
	else
		err = prompt(c, room, &n);
	if (!err && n < 0)
		err = ctl_fail(c, ERR_IO, "the password was not read: %s", errno == EMSGSIZE ? "it has more than 128 bytes" : strerror(errno));
	if (!err)
		err = check(c, str_n(room, (size_t)n));
	if (!err)
		*password = str_n(room, (size_t)n);
	return err;
}
