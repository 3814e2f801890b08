/*
 * A slow link in front of a server on this machine: link READY PORT ROUND_TRIP_MS MBIT_S
 *
 * Listens on a free port of 127.0.0.1, writes it to the file READY, and passes on what comes to PORT and back.  Each
 * direction has MBIT_S for all connections together, and takes half of the round trip.  A connection is made one round
 * trip after it was asked for.  While READY.hole is there nothing is passed on, as if the network was gone.  Writes to
 * READY.bytes and READY.sent, once a second, how many bytes came from the server and went to it.  Ends with the process
 * that started it.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 512
#define PIECE 32768
#define QUEUE_MAX 512 /* pieces that are on their way in one direction of a connection: 16 MiB */

struct piece {
	uint64_t due_ns;
	size_t len, sent;
	char data[PIECE];
};

/* One direction of a connection. */
struct way {
	int from, to;
	bool ended; /* FROM has no more; told to TO when the queue is empty */
	bool closed;
	uint64_t open_ns; /* nothing travels earlier: the handshake's round trip */
	struct piece *queue[QUEUE_MAX];
	unsigned first, count;
};

struct connection {
	bool used;
	struct way ways[2]; /* to the server, and from it */
};

static struct connection connections[CONNECTIONS_MAX];
static uint64_t delay_ns, free_ns[2]; /* when each direction of the link is free again */
static double ns_per_byte;
static unsigned long long passed_on[2]; /* bytes in each direction */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void close_connection(struct connection *c)
{
	for (unsigned i = 0; i < 2; i++) {
		struct way *way = &c->ways[i];

		while (way->count) {
			free(way->queue[way->first++ % QUEUE_MAX]);
			way->count--;
		}
	}
	close(c->ways[0].from);
	close(c->ways[0].to);
	memset(c, 0, sizeof(*c));
}

/* Take what FROM has.  False where the connection broke. */
static bool take(struct way *way, unsigned direction)
{
	struct piece *piece = malloc(sizeof(*piece));
	uint64_t now = now_ns();
	ssize_t got;

	if (!piece)
		return false;
	got = read(way->from, piece->data, PIECE);
	if (got <= 0) {
		bool again = got < 0 && (errno == EAGAIN || errno == EINTR);

		free(piece);
		way->ended |= got == 0;
		return got == 0 || again;
	}
	piece->len = (size_t)got;
	piece->sent = 0;
	if (free_ns[direction] < now)
		free_ns[direction] = now;
	free_ns[direction] += (uint64_t)((double)got * ns_per_byte);
	piece->due_ns = (free_ns[direction] > way->open_ns ? free_ns[direction] : way->open_ns) + delay_ns;
	way->queue[(way->first + way->count++) % QUEUE_MAX] = piece;
	passed_on[direction] += (unsigned long long)got;
	return true;
}

/* Give what is due.  False where the connection broke. */
static bool give(struct way *way, uint64_t now)
{
	while (way->count && way->queue[way->first % QUEUE_MAX]->due_ns <= now) {
		struct piece *piece = way->queue[way->first % QUEUE_MAX];
		ssize_t sent = send(way->to, piece->data + piece->sent, piece->len - piece->sent, MSG_NOSIGNAL);

		if (sent < 0)
			return errno == EAGAIN || errno == EINTR;
		piece->sent += (size_t)sent;
		if (piece->sent < piece->len)
			return true;
		free(piece);
		way->first++;
		way->count--;
	}
	if (way->ended && !way->count && !way->closed) {
		way->closed = true;
		shutdown(way->to, SHUT_WR);
	}
	return true;
}

static void prepare(int fd)
{
	int one = 1;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void accept_one(int listener, const struct sockaddr_in *server)
{
	int client = accept(listener, NULL, NULL),
	    to = client < 0 ? -1 : socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	for (unsigned i = 0; to >= 0 && i < CONNECTIONS_MAX; i++) {
		struct connection *c = &connections[i];

		if (c->used)
			continue;
		if (connect(to, (const struct sockaddr *)server, sizeof(*server)) != 0)
			break;
		prepare(client);
		prepare(to);
		*c =
		    (struct connection){.used = true, .ways = {{.from = client, .to = to}, {.from = to, .to = client}}};
		c->ways[0].open_ns = now_ns() + 2 * delay_ns;
		return;
	}
	close(client);
	close(to);
}

/* What to wait for on both descriptors, and until when. */
static void look(const struct connection *c, uint64_t now, bool hole, struct pollfd fds[2], uint64_t *next_ns)
{
	fds[0] = (struct pollfd){.fd = c->ways[0].from};
	fds[1] = (struct pollfd){.fd = c->ways[0].to};
	for (unsigned i = 0; i < 2; i++) {
		const struct way *way = &c->ways[i];
		const struct piece *piece = way->count ? way->queue[way->first % QUEUE_MAX] : NULL;

		if (!hole && !way->ended && way->count < QUEUE_MAX)
			fds[i].events |= POLLIN;
		if (!hole && piece && piece->due_ns <= now)
			fds[1 - i].events |= POLLOUT;
		else if (!hole && piece && piece->due_ns < *next_ns)
			*next_ns = piece->due_ns;
	}
	/* With nothing asked for, a hang-up would be told without end. */
	for (unsigned i = 0; i < 2; i++) {
		if (!fds[i].events)
			fds[i].fd = -1;
	}
}

static void serve(struct connection *c, const struct pollfd fds[2])
{
	bool whole = true;

	for (unsigned i = 0; i < 2; i++) {
		struct way *way = &c->ways[i];

		if ((fds[i].events & POLLIN) && fds[i].revents)
			whole &= take(way, i);
		whole &= give(way, now_ns());
	}
	if (!whole || (c->ways[0].closed && c->ways[1].closed))
		close_connection(c);
}

static void write_number(const char *path, const char *suffix, unsigned long long number)
{
	char name[4096], new[4096 + 4];
	FILE *out;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	snprintf(new, sizeof(new), "%s.new", name);
	out = fopen(new, "we");
	if (!out)
		exit(1);
	fprintf(out, "%llu\n", number);
	fclose(out);
	rename(new, name);
}

static void run(int listener, const struct sockaddr_in *server, const char *ready)
{
	static struct pollfd fds[1 + 2 * CONNECTIONS_MAX];
	char hole_path[4096];
	uint64_t told_ns = 0;
	pid_t parent = getppid();

	snprintf(hole_path, sizeof(hole_path), "%s.hole", ready);
	while (getppid() == parent) {
		uint64_t now = now_ns(), next_ns = now + 100000000;
		bool hole = access(hole_path, F_OK) == 0;
		struct timespec wait;

		fds[0] = (struct pollfd){.fd = hole ? -1 : listener, .events = POLLIN};
		for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
			fds[1 + 2 * i].fd = fds[2 + 2 * i].fd = -1;
			if (connections[i].used)
				look(&connections[i], now, hole, &fds[1 + 2 * i], &next_ns);
		}
		wait = (struct timespec){.tv_nsec = (long)(next_ns > now ? next_ns - now : 0)};
		ppoll(fds, 1 + 2 * CONNECTIONS_MAX, &wait, NULL);
		if (fds[0].revents)
			accept_one(listener, server);
		for (unsigned i = 0; i < CONNECTIONS_MAX && !hole; i++) {
			if (connections[i].used && (fds[1 + 2 * i].fd >= 0 || fds[2 + 2 * i].fd >= 0 ||
			                            connections[i].ways[0].count || connections[i].ways[1].count))
				serve(&connections[i], &fds[1 + 2 * i]);
		}
		if (now - told_ns > 1000000000) {
			write_number(ready, ".sent", passed_on[0]);
			write_number(ready, ".bytes", passed_on[1]);
			told_ns = now;
		}
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, server = here;
	socklen_t len = sizeof(here);
	int listener;

	if (argc != 5) {
		fputs("usage: link READY PORT ROUND_TRIP_MS MBIT_S\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	server.sin_port = htons((uint16_t)atoi(argv[2]));
	delay_ns = (uint64_t)(atof(argv[3]) * 500000);
	ns_per_byte = 8000 / atof(argv[4]);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&here, sizeof(here)) != 0 || listen(listener, 256) != 0 ||
	    getsockname(listener, (struct sockaddr *)&here, &len) != 0) {
		perror("link");
		return 1;
	}
	write_number(argv[1], "", ntohs(here.sin_port));
	run(listener, &server, argv[1]);
	return 0;
}
