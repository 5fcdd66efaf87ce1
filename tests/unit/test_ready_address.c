/*
 * Addresses that services are asked at.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "engine/ready/address.h"

/* "127.0.0.1 80" and the like. */
static void describe(const struct address *a, unsigned i, char ret_text[static 64])
{
	const union address_socket *s = &a->sockets[i];
	bool v6 = s->any.sa_family == AF_INET6;
	size_t n;

	assert_int_equal(a->sizes[i], v6 ? sizeof(s->in6) : sizeof(s->in));
	assert_non_null(inet_ntop(s->any.sa_family,
		v6 ? (const void *)&s->in6.sin6_addr : (const void *)&s->in.sin_addr, ret_text, 64));
	n = strlen(ret_text);
	snprintf(ret_text + n, 64 - n, " %u", ntohs(v6 ? s->in6.sin6_port : s->in.sin_port));
}

static void hosts_are_numbers(void **state _unused_)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"127.0.0.1:80", "127.0.0.1 80"},
		{"0.0.0.0:65535", "0.0.0.0 65535"},
		{"[::1]:1", "::1 1"},
		{"[2001:db8::7]:8080", "2001:db8::7 8080"},
	};
	struct address a;
	char text[64];

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		assert_int_equal(address_parse_tcp(cases[i].text, &a), 0);
		assert_int_equal(a.n, 1);
		describe(&a, 0, text);
		assert_string_equal(text, cases[i].want);
	}
}

static void localhost_is_both_and_the_older_one_first(void **state _unused_)
{
	struct address a;
	char text[64];

	assert_int_equal(address_parse_tcp("localhost:22", &a), 0);
	assert_int_equal(a.n, 2);
	describe(&a, 0, text);
	assert_string_equal(text, "127.0.0.1 22");
	describe(&a, 1, text);
	assert_string_equal(text, "::1 22");
}

static void what_is_no_address_is_refused(void **state _unused_)
{
	static const char *const cases[] = {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0",
		"127.0.0.1:65536", "127.0.0.1:80x", "127.0.0.1:+80", "127.0.0.1: 80", "127.1:80",
		"example.org:80", "[::1]", "[::1", "[::1]80", "::1:80", "[127.0.0.1]:80",
		"[fe80::1%eth0]:80", "127.0.0.1:80:80", "localhost", " 127.0.0.1:80"};
	struct address a;
	char longest[ADDRESS_SIZE + 8];

	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		assert_int_equal(address_parse_tcp(cases[i], &a), -EINVAL);
	memset(longest, '1', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(address_parse_tcp(longest, &a), -EINVAL);
}

static void paths_of_sockets_have_a_limit(void **state _unused_)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1] = "/";
	struct address a;

	assert_int_equal(address_parse_unix("/run/x.sock", &a), 0);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.sockets[0].un.sun_family, AF_UNIX);
	assert_string_equal(a.sockets[0].un.sun_path, "/run/x.sock");
	memset(path + 1, 'x', sizeof(path) - 3);
	assert_int_equal(address_parse_unix(path, &a), 0);
	assert_string_equal(a.sockets[0].un.sun_path, path);
	path[sizeof(path) - 2] = 'x';
	assert_int_equal(address_parse_unix(path, &a), -ENAMETOOLONG);
	assert_int_equal(address_parse_unix("x.sock", &a), -EINVAL);
	assert_int_equal(address_parse_unix("", &a), -EINVAL);
}

static void urls_are_taken_apart(void **state _unused_)
{
	static const struct {
		const char *text, *address, *host, *path;
	} cases[] = {
		{"http://127.0.0.1:8080/health", "127.0.0.1 8080", "127.0.0.1:8080", "/health"},
		{"http://127.0.0.1", "127.0.0.1 80", "127.0.0.1", "/"},
		{"http://[::1]:99/", "::1 99", "[::1]:99", "/"},
		{"http://[::1]/a?b=c&d=%20", "::1 80", "[::1]", "/a?b=c&d=%20"},
		{"http://localhost:1/x", "127.0.0.1 1", "localhost:1", "/x"},
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct address a;
		char host[ADDRESS_SIZE], text[64];
		const char *path;

		assert_int_equal(address_parse_http(cases[i].text, &a, host, &path), 0);
		describe(&a, 0, text);
		assert_string_equal(text, cases[i].address);
		assert_string_equal(host, cases[i].host);
		assert_string_equal(path, cases[i].path);
	}
}

static void a_url_cannot_say_more_than_one_request(void **state _unused_)
{
	static const char *const cases[] = {"", "http://", "http:///x", "127.0.0.1:80/x",
		"http://127.0.0.1:80/a b", "http://127.0.0.1:80/a\r\nX: y", "http://127.0.0.1:80/\x7f",
		"http://127.0.0.1:80?x", "http://127.0.0.1:80#x", "http://user@127.0.0.1:80/",
		"http://example.org/", "http://127.0.0.1:/"};
	struct address a;
	char host[ADDRESS_SIZE];
	const char *path;

	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		assert_int_equal(address_parse_http(cases[i], &a, host, &path), -EINVAL);
	assert_int_equal(
		address_parse_http("https://127.0.0.1/", &a, host, &path), -EPROTONOSUPPORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_are_numbers),
		cmocka_unit_test(localhost_is_both_and_the_older_one_first),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(paths_of_sockets_have_a_limit),
		cmocka_unit_test(urls_are_taken_apart),
		cmocka_unit_test(a_url_cannot_say_more_than_one_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
