/*
 * Addresses that services are asked at. Hosts are numbers or "localhost": nothing is looked up
 * that others would have to answer.
 */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ADDRESS_MAX  2 /* localhost is two */
#define ADDRESS_SIZE 256 /* of an address as text, with its NUL; a path in a URL apart */

union address_socket {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

/* Tried in this order. */
struct address {
	union address_socket sockets[ADDRESS_MAX];
	socklen_t sizes[ADDRESS_MAX];
	unsigned n;
};

/*
 * "127.0.0.1:80", "[::1]:80", "localhost:80" (127.0.0.1, then ::1). 0, or -EINVAL.
 */
int address_parse_tcp(const char *text, struct address *ret_address);

/* An absolute path. 0, -EINVAL, or -ENAMETOOLONG: longer than a socket's address may be. */
int address_parse_unix(const char *text, struct address *ret_address);

/*
 * "http://HOST:PORT/PATH"; without :PORT it is 80, without /PATH "/". *ret_host is the address
 * as the Host header has it, *ret_path begins within text. 0; -EINVAL; -EPROTONOSUPPORT: a
 * scheme other than http.
 */
int address_parse_http(const char *text, struct address *ret_address,
	char ret_host[static ADDRESS_SIZE], const char **ret_path);
