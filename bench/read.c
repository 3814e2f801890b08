/*
 * Read files as fast as a program can, for measurements: nothing is done with the bytes.
 *
 *     read files ROOT LIST THREADS    each file of LIST (a line each, below ROOT) from its beginning to its end
 *     read random ROOT LIST READS     4 KiB at random places of random files of LIST, always the same ones
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_SIZE (128 * 1024)

static int root;
static char **names;
static size_t count;
static atomic_size_t next;

static void die(const char *name)
{
	fprintf(stderr, "read: '%s': %s\n", name, strerror(errno));
	exit(1);
}

static void *allocate(size_t size)
{
	void *memory = malloc(size);

	if (!memory)
		die("memory");
	return memory;
}

static void read_list(const char *path)
{
	FILE *list = fopen(path, "r");
	size_t room = 0, capacity = 0;
	char *line = NULL;
	ssize_t len;

	if (!list)
		die(path);
	while ((len = getline(&line, &capacity, list)) > 0) {
		line[len - 1] = '\0';
		if (count == room) {
			room = room ? 2 * room : 1024;
			names = realloc(names, room * sizeof(*names));
			if (!names)
				die("memory");
		}
		names[count] = allocate((size_t)len);
		memcpy(names[count++], line, (size_t)len);
	}
	free(line);
	fclose(list);
}

static void *read_files(void *arg)
{
	char *buffer = allocate(BUFFER_SIZE);
	size_t i;

	(void)arg;
	while ((i = atomic_fetch_add(&next, 1)) < count) {
		int fd = openat(root, names[i], O_RDONLY);
		ssize_t n;

		if (fd < 0)
			die(names[i]);
		while ((n = read(fd, buffer, BUFFER_SIZE)) > 0)
			;
		if (n < 0)
			die(names[i]);
		close(fd);
	}
	free(buffer);
	return NULL;
}

static void read_random(size_t reads)
{
	uint64_t state = 88172645463325252u; /* xorshift64, Marsaglia 2003 */
	char buffer[4096];
	int *fds = allocate(count * sizeof(*fds));
	struct stat st;

	for (size_t i = 0; i < count; i++) {
		fds[i] = openat(root, names[i], O_RDONLY);
		if (fds[i] < 0)
			die(names[i]);
	}
	for (size_t i = 0; i < reads; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		size_t file = (size_t)(state % count);
		if (fstat(fds[file], &st) < 0)
			die(names[file]);
		off_t page = (off_t)((state >> 8) % (uint64_t)(st.st_size / 4096));
		if (pread(fds[file], buffer, sizeof(buffer), page * 4096) != (ssize_t)sizeof(buffer))
			die(names[file]);
	}
	free(fds);
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fputs("usage: read files|random ROOT LIST NUMBER\n", stderr);
		return 2;
	}
	size_t number = (size_t)strtoul(argv[4], NULL, 10);
	root = open(argv[2], O_RDONLY | O_DIRECTORY);
	if (root < 0)
		die(argv[2]);
	read_list(argv[3]);
	if (strcmp(argv[1], "random") == 0) {
		read_random(number);
		return 0;
	}
	pthread_t threads[64];
	if (number < 1 || number > 64)
		return 2;
	for (size_t i = 0; i < number; i++) {
		errno = pthread_create(&threads[i], NULL, read_files, NULL);
		if (errno)
			die("thread");
	}
	for (size_t i = 0; i < number; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
