/*
 * Run a command and write what it took: peak FILE COMMAND...
 *
 * A line: how many MiB of memory its largest process had at most, and how many bytes it and the children that it waited
 * for read (rchar in proc(5): files and pipes; reading a hole counts).  Exits as the command does.
 */
#include <errno.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the process has read, which may have ended but must not be reaped yet; -1 where that can't be told. */
static long long bytes_read(pid_t pid)
{
	char path[64], line[64];

	snprintf(path, sizeof(path), "/proc/%ld/io", (long)pid);
	FILE *in = fopen(path, "r");
	if (!in)
		return -1;
	bool found = fgets(line, sizeof(line), in) && strncmp(line, "rchar: ", 7) == 0;
	fclose(in);
	return found ? atoll(line + 7) : -1;
}

int main(int argc, char **argv)
{
	struct rusage usage;
	siginfo_t ended;
	pid_t child;
	int status;

	if (argc < 3) {
		fputs("usage: peak FILE COMMAND...\n", stderr);
		return 2;
	}
	int error = posix_spawnp(&child, argv[2], NULL, NULL, argv + 2, environ);
	if (error) {
		fprintf(stderr, "peak: '%s': %s\n", argv[2], strerror(error));
		return 127;
	}
	while (waitid(P_PID, child, &ended, WEXITED | WNOWAIT) < 0) {
		if (errno != EINTR)
			return 2;
	}
	long long read = bytes_read(child);
	while (wait4(child, &status, 0, &usage) < 0) {
		if (errno != EINTR)
			return 2;
	}
	FILE *out = fopen(argv[1], "w");
	if (!out) {
		fprintf(stderr, "peak: '%s': %s\n", argv[1], strerror(errno));
		return 2;
	}
	fprintf(out, "%ld %lld\n", usage.ru_maxrss / 1024, read);
	fclose(out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
