/*
 * Frames of `revfs serve` by hand: what a test says and hears that plays one side.
 *
 * For the test's own thread: what goes wrong fails the test.
 */
#ifndef TESTS_SUPPORT_FRAMES_H
#define TESTS_SUPPORT_FRAMES_H

#include "cache/ssh/serve_wire.h"

/* Send LEN bytes over the socket FD. */
void frames_send(int fd, const void *data, size_t len);

/* Receive exactly LEN bytes. */
void frames_receive(int fd, void *data, size_t len);

/* Send a greeting with FLAGS. */
void frames_greet(int fd, uint32_t flags);

/* Receive a good greeting; returns its flags. */
uint32_t frames_greeted(int fd);

/* Send FRAME. */
void frames_say(int fd, const struct serve_wire *frame);

/* Receive the next frame but for words of life; what it points to is good until the next. */
void frames_hear(int fd, bool from_server, struct serve_wire *frame);

#endif
