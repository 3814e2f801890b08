#include "tests/support/frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

void frames_send(int fd, const void *data, size_t len)
{
	assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

void frames_receive(int fd, void *data, size_t len)
{
	assert_int_equal(recv(fd, data, len, MSG_WAITALL), (ssize_t)len);
}

void frames_greet(int fd, uint32_t flags)
{
	uint8_t greeting[SERVE_WIRE_GREETING_SIZE];

	serve_wire_greet(greeting, flags);
	frames_send(fd, greeting, sizeof(greeting));
}

uint32_t frames_greeted(int fd)
{
	uint8_t greeting[SERVE_WIRE_GREETING_SIZE];
	uint32_t flags;

	frames_receive(fd, greeting, sizeof(greeting));
	assert_int_equal(serve_wire_greeted(greeting, sizeof(greeting), &flags), 1);
	return flags;
}

void frames_say(int fd, const struct serve_wire *frame)
{
	struct buffer out = {0};

	serve_wire_encode(frame, &out);
	assert_false(out.failed);
	frames_send(fd, out.data, out.len);
	buffer_release(&out);
}

void frames_hear(int fd, bool from_server, struct serve_wire *frame)
{
	static uint8_t body[SERVE_WIRE_READ_MAX];
	uint8_t head[SERVE_WIRE_HEADER_SIZE];
	size_t len;

	do {
		frames_receive(fd, head, sizeof(head));
		assert_int_equal(serve_wire_body_len(head, from_server, &len), 0);
		if (len)
			frames_receive(fd, body, len);
		assert_int_equal(serve_wire_decode(head, body, len, frame), 0);
	} while (frame->kind == SERVE_WIRE_ALIVE);
}
