/*
 * From text to socket addresses, without a resolver: name services block, and a probe must
 * not.
 */
#include "engine/ready/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/macro.h"
#include "base/parse.h"

static const char scheme[] = "http://";

static int add_v4(struct address *a, const char *host, uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

	if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
		return -EINVAL;
	a->sockets[a->n].in = in;
	a->sizes[a->n++] = sizeof(in);
	return 0;
}

static int add_v6(struct address *a, const char *host, uint16_t port)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	if (inet_pton(AF_INET6, host, &in6.sin6_addr) != 1)
		return -EINVAL;
	a->sockets[a->n].in6 = in6;
	a->sizes[a->n++] = sizeof(in6);
	return 0;
}

/* A host without brackets; they were there for an IPv6 address. */
static int add_host(struct address *a, const char *host, bool brackets, uint16_t port)
{
	int r;

	if (brackets)
		return add_v6(a, host, port);
	if (strcmp(host, "localhost") != 0)
		return add_v4(a, host, port);
	r = add_v4(a, "127.0.0.1", port);
	return r < 0 ? r : add_v6(a, "::1", port);
}

/* "HOST:PORT" of n bytes; port 0: it has to be given. */
static int parse_host(const char *text, size_t n, uint64_t port, struct address *ret_address)
{
	char copy[ADDRESS_SIZE], *host = copy, *end;
	struct address a = {0};
	bool brackets;
	int r;

	if (n >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, n);
	copy[n] = '\0';
	brackets = host[0] == '[';
	host += brackets;
	end = host + strcspn(host, brackets ? "]" : ":");
	if (brackets) {
		if (*end != ']')
			return -EINVAL;
		*end++ = '\0';
	}
	if (*end == ':') {
		*end++ = '\0';
		if (parse_u64(end, UINT16_MAX, &port) < 0)
			return -EINVAL;
	} else if (*end != '\0') {
		return -EINVAL;
	}
	if (port == 0)
		return -EINVAL;
	r = add_host(&a, host, brackets, (uint16_t)port);
	if (r == 0)
		*ret_address = a;
	return r;
}

int address_parse_tcp(const char *text, struct address *ret_address)
{
	return parse_host(text, strlen(text), 0, ret_address);
}

int address_parse_unix(const char *text, struct address *ret_address)
{
	struct address a = {.n = 1};
	struct sockaddr_un *un = &a.sockets[0].un;
	size_t n = strlen(text);

	if (text[0] != '/')
		return -EINVAL;
	if (n >= sizeof(un->sun_path))
		return -ENAMETOOLONG;
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, text, n + 1);
	a.sizes[0] = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
	*ret_address = a;
	return 0;
}

/* What may stand in a request: nothing that ends it early or begins another one. */
static bool is_path(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return false;
	}
	return true;
}

int address_parse_http(const char *text, struct address *ret_address,
	char ret_host[static ADDRESS_SIZE], const char **ret_path)
{
	size_t n = strlen(scheme);
	struct address a;
	int r;

	if (strncmp(text, scheme, n) != 0)
		return strstr(text, "://") ? -EPROTONOSUPPORT : -EINVAL;
	text += n;
	n = strcspn(text, "/?#");
	r = parse_host(text, n, 80, &a);
	if (r < 0)
		return r;
	if ((text[n] != '/' && text[n] != '\0') || !is_path(text + n))
		return -EINVAL;
	memcpy(ret_host, text, n);
	ret_host[n] = '\0';
	*ret_address = a;
	*ret_path = text[n] ? text + n : "/";
	return 0;
}
