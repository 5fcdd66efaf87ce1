/*
 * inet_pton() is strict (no octal, no missing part), and what it takes is an address without
 * asking anybody. A zone ("fe80::1%eth0") is not taken: which number it has may change.
 */
#include "conf/values/address.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>
#include <sys/un.h>

#include "base/parse.h"

#define HTTP	     "http://"
#define PORT_DIGITS  5
#define MAX_HTTP_URL 1024

static const char not_numeric[] =
	"has no numeric host; allowed: 127.0.0.1, [::1] or localhost (names are not looked up, "
	"as that may block), then ':' and a port";

/* Copies n bytes, with their NUL, where they fit. */
static bool copy(const char *text, size_t n, char *ret, size_t size)
{
	if (n >= size)
		return false;
	memcpy(ret, text, n);
	ret[n] = '\0';
	return true;
}

/* The host of n bytes, brackets included. */
static bool parse_host(const char *text, size_t n, struct address *a)
{
	char inner[INET6_ADDRSTRLEN];

	if (!copy(text, n, a->host, sizeof(a->host)))
		return false;
	if (strcmp(a->host, "localhost") == 0) {
		a->family = AF_UNSPEC;
		return true;
	}
	if (text[0] != '[') {
		a->family = AF_INET;
		return inet_pton(AF_INET, a->host, &a->ipv4) == 1;
	}
	a->family = AF_INET6;
	return n > 2 && copy(text + 1, n - 2, inner, sizeof(inner)) &&
	       inet_pton(AF_INET6, inner, &a->ipv6) == 1;
}

/* The length of a host at the beginning of the text: up to its ']', or else up to a ':'. */
static size_t host_length(const char *text)
{
	const char *end = text[0] == '[' ? strchr(text, ']') : NULL;

	return end ? (size_t)(end - text) + 1 : strcspn(text, ":/");
}

/* HOST:PORT at the beginning of the text; *ret_rest is what follows. */
static const char *parse_host_port(const char *text, struct address *a, const char **ret_rest)
{
	size_t n = host_length(text), n_digits;
	char digits[PORT_DIGITS + 1];
	uint64_t port;

	if (!parse_host(text, n, a))
		return not_numeric;
	text += n;
	if (*text++ != ':')
		return "has no port; allowed: HOST:PORT";
	n_digits = strspn(text, "0123456789");
	if (!copy(text, n_digits, digits, sizeof(digits)) ||
		parse_u64(digits, UINT16_MAX, &port) < 0 || port == 0)
		return "has no such port; allowed: 1 to 65535";
	a->port = (uint16_t)port;
	*ret_rest = text + n_digits;
	return NULL;
}

const char *address_parse_tcp(const char *text, struct address *ret)
{
	struct address a = {0};
	const char *rest, *what = parse_host_port(text, &a, &rest);

	if (what)
		return what;
	if (*rest)
		return "has something behind its port; allowed: HOST:PORT";
	*ret = a;
	return NULL;
}

/* What may be sent as it is, in the first line of a request. */
static bool is_path(const char *text)
{
	if (*text != '/')
		return false;
	for (; *text; text++) {
		if (*text <= ' ' || *text >= 0x7f || *text == '#')
			return false;
	}
	return true;
}

const char *address_parse_http(const char *text, struct address *ret)
{
	struct address a = {0};
	const char *what;

	if (strncmp(text, HTTP, strlen(HTTP)) != 0)
		return "is not allowed; allowed: http://HOST:PORT/PATH";
	if (strlen(text) > MAX_HTTP_URL)
		return "is longer than 1024 bytes";
	what = parse_host_port(text + strlen(HTTP), &a, &a.path);
	if (what)
		return what;
	if (!is_path(a.path))
		return "has no path that can be asked for; allowed: http://HOST:PORT/PATH, the "
		       "path in ASCII, without blanks and '#'";
	*ret = a;
	return NULL;
}

const char *address_check_unix(const char *text)
{
	if (text[0] != '/')
		return "is not allowed; allowed: an absolute path";
	if (strlen(text) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return "is too long for a socket; allowed: 107 bytes";
	return NULL;
}
