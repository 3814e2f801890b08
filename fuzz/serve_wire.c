/* What goes between `revfs serve` and its clients: frames, one behind another; the first byte says whose. */
#include <errno.h>
#include <string.h>

#include "cache/ssh/serve_wire.h"
#include "fuzz/support/fuzz.h"

static void use_list(const struct serve_wire *frame)
{
	struct buffer out = {0};
	char path[REMOTE_PATH_SIZE];
	struct remote_stat st;
	struct wire_reader r;
	int answer;
	wire_reader_init(&r, frame->data, frame->data_len);
	while ((answer = serve_wire_next_entry(&r, path, &st)) > 0) {
		REQUIRE(strlen(path) < REMOTE_PATH_SIZE && st.time.tv_nsec < 1000000000);
		serve_wire_put_entry(&out, path, &st);
	}
	REQUIRE(answer == 0 || answer == -EPROTO);
	REQUIRE(out.len <= frame->data_len && memcmp(out.data ? out.data : frame->data, frame->data, out.len) == 0);
	REQUIRE(answer < 0 || out.len == frame->data_len);
	buffer_release(&out);
}

static void use(const struct serve_wire *frame, const uint8_t *data, size_t len)
{
	struct buffer out = {0};
	size_t path_len = strnlen(frame->path, sizeof(frame->path));
	REQUIRE(path_len < sizeof(frame->path));
	if (serve_wire_is_path(frame->path, path_len, false) || serve_wire_is_path(frame->path, path_len, true))
		REQUIRE(frame->path[0] != '/' && frame->path[0] != '.' && !strstr(frame->path, "/."));
	if (frame->kind == SERVE_WIRE_ENTRIES)
		use_list(frame);
	serve_wire_encode(frame, &out);
	REQUIRE(!out.failed && out.len == len);
	/* Errors of a later version are one to this one. */
	REQUIRE(memcmp(out.data, data, frame->kind == SERVE_WIRE_DONE ? SERVE_WIRE_HEADER_SIZE : len) == 0);
	buffer_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 1)
		return 0;
	const bool from_server = *data & 1;
	uint8_t *copy = fuzz_copy(data + 1, --len);
	uint32_t flags = 0;
	int r = serve_wire_greeted(copy, len < SERVE_WIRE_GREETING_SIZE ? len : SERVE_WIRE_GREETING_SIZE, &flags);
	REQUIRE(r == 1 || r == 0 || r == -EPROTO);
	for (size_t at = 0; len - at >= SERVE_WIRE_HEADER_SIZE;) {
		struct serve_wire frame;
		size_t body_len;
		if (serve_wire_body_len(copy + at, from_server, &body_len) ||
		    body_len > len - at - SERVE_WIRE_HEADER_SIZE)
			break;
		r = serve_wire_decode(copy + at, copy + at + SERVE_WIRE_HEADER_SIZE, body_len, &frame);
		REQUIRE(r == 0 || r == -EPROTO);
		if (r)
			break;
		use(&frame, copy + at, SERVE_WIRE_HEADER_SIZE + body_len);
		at += SERVE_WIRE_HEADER_SIZE + body_len;
	}
	free(copy);
	return 0;
}
