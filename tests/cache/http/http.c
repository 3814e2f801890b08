/* Requests to a server of files that does not always do what it should. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "cache/http/http.h"
#include "cache/interrupt.h"
#include "tests/support/scratch.h"
#include "tests/support/service.h"

#define FILE_BYTES 100000

static struct service service;
static struct http *http;
static char *url;

static int set_up(void **state)
{
	*state = (void *)(uintptr_t)scratch_open_in_memory();
	scratch_sh("mkdir files && head -c %d /dev/zero | tr '\\0' x >files/a", FILE_BYTES);
	service_start(&service, "http", "files", NULL);
	assert_int_equal(http_open(&http), 0);
	assert_true(asprintf(&url, "%s/a", service.url) > 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	http_close(http);
	free(url);
	service_stop(&service);
	scratch_close();
	return 0;
}

static void text_is_cut_at_its_limit(void **state)
{
	static const size_t limits[] = {1, 10, FILE_BYTES - 1, FILE_BYTES, FILE_BYTES + 1};

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct http_request request = {.url = url, .text_max = limits[i]};

		assert_int_equal(http_run(http, &request), 0);
		assert_int_equal(request.status, 200);
		assert_int_equal(request.text_len, limits[i] < FILE_BYTES ? limits[i] : FILE_BYTES);
		assert_int_equal(strlen(request.text), request.text_len);
		free(request.text);
	}
}

static void what_an_error_says_is_no_data(void **state)
{
	char bytes[10] = "untouched";
	struct http_request request = {.url = url, .data = bytes, .room = 9, .text_max = 1000};

	(void)state;
	assert_int_equal(http_run(http, &request), 0);
	assert_int_equal(request.status, 206);
	assert_int_equal(request.got, 9);
	assert_string_equal(bytes, "xxxxxxxxx");
	assert_null(request.text);
	scratch_sh("rm files/a");
	strcpy(bytes, "untouched");
	assert_int_equal(http_run(http, &request), 0);
	assert_int_equal(request.status, 404);
	assert_int_equal(request.got, 0);
	assert_string_equal(bytes, "untouched");
	assert_string_equal(request.text, "<html>none</html>");
	free(request.text);
}

static void note_arrival(void *arg, size_t got)
{
	*(size_t *)arg = got;
}

static void who_wants_to_know_is_told_of_ranges_alone(void **state)
{
	char bytes[100];
	size_t noted = 0;
	const struct arrival arrival = {.came = note_arrival, .arg = &noted};
	struct http_request request = {.url = url, .data = bytes, .room = sizeof(bytes), .arrival = &arrival};

	(void)state;
	assert_int_equal(http_run(http, &request), 0);
	assert_int_equal(request.got, sizeof(bytes));
	assert_int_equal(noted, sizeof(bytes));
	/* What an error says comes to the same place, and is not what was asked for. */
	noted = 0;
	scratch_sh("rm files/a");
	assert_int_equal(http_run(http, &request), 0);
	assert_int_equal(request.status, 404);
	assert_int_not_equal(request.got, 0);
	assert_int_equal(noted, 0);
}

static void what_is_wanted_of_an_answer_is_told(void **state)
{
	struct http_wanted wanted[] = {{.name = "last-modified"}, {.name = "x-none", .value = "old"}};
	struct http_request request = {
	    .url = url, .method = HTTP_HEAD, .wanted = wanted, .wanted_count = sizeof(wanted) / sizeof(wanted[0])};

	(void)state;
	assert_int_equal(http_run(http, &request), 0);
	assert_string_equal(wanted[0].value, "Sun, 09 Sep 2001 01:46:40 GMT");
	assert_string_equal(wanted[1].value, "");
	assert_int_equal(request.time.tv_sec, 1000000000);
	assert_int_equal(request.size, FILE_BYTES);
	assert_int_equal(request.retry_after_s, 0);
	assert_true(llabs((long long)request.date - (long long)time(NULL)) < 60);
	service_plan(&service, "503");
	assert_int_equal(http_run(http, &request), 0);
	assert_int_equal(request.status, 503);
	assert_int_equal(request.retry_after_s, 1);
}

static void several_are_on_their_way_at_once(void **state)
{
	struct http_request requests[5];
	struct http_transfer *transfers[5];
	char bytes[5][100];

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		requests[i] = (struct http_request){.url = url, .data = bytes[i], .room = 100, .offset = 100 * i};
		assert_int_equal(http_start(http, &requests[i], &transfers[i]), 0);
	}
	for (unsigned i = 5; i-- > 0;) {
		assert_int_equal(http_wait(http, transfers[i]), 0);
		assert_int_equal(requests[i].got, 100);
	}
	/* One that hangs does not hold up the others, and may be given up. */
	service_plan(&service, "stall");
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(http_start(http, &requests[i], &transfers[i]), 0);
	for (unsigned i = 0; i < 5; i++)
		http_give_up(http, transfers[i]);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(http_wait(http, transfers[i]), -EINTR);
}

static bool always(void *arg)
{
	(void)arg;
	return true;
}

/* What is to be done at the end is not given up, but does not last. */
static void a_last_request_ends_by_itself(void **state)
{
	struct http_request request = {.url = url, .text_max = 1000, .last_s = 1};

	(void)state;
	interrupt_watch(always, NULL);
	assert_int_equal(http_run(http, &request), 0);
	assert_int_equal(request.text_len, 1000);
	free(request.text);
	service_plan(&service, "stall");
	assert_int_equal(http_run(http, &request), -ETIMEDOUT);
	free(request.text);
	request.last_s = 0;
	assert_int_equal(http_run(http, &request), -EINTR);
	free(request.text);
	interrupt_watch(NULL, NULL);
}

static int fail_to_read(void *arg, uint64_t offset, void *data, size_t len)
{
	(void)arg;
	memset(data, 'y', len);
	return offset ? -ENODATA : 0;
}

static void a_body_that_cannot_be_read_is_the_error(void **state)
{
	const struct http_body body = {.read = fail_to_read, .len = 2000000};
	struct http_request request = {.url = url, .method = HTTP_PUT, .body = &body, .text_max = 1000};
	int error;

	(void)state;
	error = http_run(http, &request);
	/* The server knows no PUT, and may say so first. */
	assert_true(error == -ENODATA || (error == 0 && request.status == 501));
	free(request.text);
}

/* With the words of the last request, and of no earlier one. */
static void what_is_wrong_with_a_handshake_is_said(void **state)
{
	struct http_request request = {.text_max = 1000};
	char why[HTTP_WHY_SIZE] = "unset", *secure;

	(void)state;
	http_why(http, why);
	assert_string_equal(why, "");
	assert_true(asprintf(&secure, "https%s", url + strlen("http")) > 0);
	request.url = secure;
	assert_int_equal(http_run(http, &request), -ECONNRESET);
	http_why(http, why);
	assert_non_null(strstr(why, "SSL"));
	request.url = url;
	assert_int_equal(http_run(http, &request), 0);
	free(request.text);
	http_why(http, why);
	assert_string_equal(why, "");
	free(secure);
}

/* Nothing is asked, since nobody could be trusted. */
static void authorities_that_are_not_there_are_said(void **state)
{
	struct http_request request = {.text_max = 1000};
	char why[HTTP_WHY_SIZE], *secure;

	(void)state;
	assert_true(asprintf(&secure, "https%s", url + strlen("http")) > 0);
	request.url = secure;
	assert_int_equal(http_trust(http, "/none.pem"), 0);
	assert_int_equal(http_run(http, &request), -ENOKEY);
	http_why(http, why);
	assert_non_null(strstr(why, "/none.pem"));
	assert_int_equal(service_count(&service, "GET"), 0);
	free(secure);
}

static void statuses_have_meanings(void **state)
{
	(void)state;
	assert_int_equal(http_error_of(404), -ENOENT);
	assert_int_equal(http_error_of(401), -EKEYREJECTED);
	assert_int_equal(http_error_of(503), -EAGAIN);
	assert_int_equal(http_error_of(500), -EREMOTEIO);
	assert_int_equal(http_error_of(501), -EPROTO);
	assert_int_equal(http_error_of(400), -EPROTO);
	assert_int_equal(http_error_of(302), -EPROTO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(text_is_cut_at_its_limit),
	    TEST(what_an_error_says_is_no_data),
	    TEST(who_wants_to_know_is_told_of_ranges_alone),
	    TEST(what_is_wanted_of_an_answer_is_told),
	    TEST(several_are_on_their_way_at_once),
	    TEST(a_last_request_ends_by_itself),
	    TEST(a_body_that_cannot_be_read_is_the_error),
	    TEST(what_is_wrong_with_a_handshake_is_said),
	    TEST(authorities_that_are_not_there_are_said),
	    cmocka_unit_test(statuses_have_meanings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
