/*
 * Where services are asked how they are: "HOST:PORT" and "http://HOST:PORT/PATH". HOST is
 * numeric, IPv6 in brackets, or localhost: name services can block.
 */
#pragma once

#include <netinet/in.h>
#include <stdint.h>

struct address {
	int family; /* AF_INET, AF_INET6; AF_UNSPEC: localhost, of either family */
	struct in_addr ipv4;
	struct in6_addr ipv6;
	uint16_t port; /* in the order of the host */
	char host[INET6_ADDRSTRLEN + 2]; /* as given, with brackets */
	const char *path; /* within the text, from its '/'; NULL in a plain HOST:PORT */
};

/* Each returns NULL, or what is wrong (static) with *ret untouched. */
const char *address_parse_tcp(const char *text, struct address *ret);
const char *address_parse_http(const char *text, struct address *ret);

/* An absolute path that fits into sun_path. */
const char *address_check_unix(const char *text);
