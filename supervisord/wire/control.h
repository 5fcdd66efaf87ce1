/*
 * The control protocol: varlink over a stream socket. A message is one JSON object
 * ended by a NUL byte. This header holds what both ends share: the interface, the names
 * of errors, limits, and the framing.
 */
#pragma once

#include <stddef.h>

#include "base/buf.h"

#define CONTROL_INTERFACE	  "io.supctl.Control"
#define CONTROL_SERVICE_INTERFACE "org.varlink.service"
#define CONTROL_SOCKET_NAME	  "control" /* in the runtime directory */

#define CONTROL_MAX_REQUEST (1u << 20) /* bytes, the NUL included */
#define CONTROL_MAX_REPLY   (32u << 20) /* what a client accepts of one reply */
#define CONTROL_MAX_NAMES   20000 /* names or patterns in one request */

/* Errors of io.supctl.Control; the interface text below says what they carry. */
#define CONTROL_ERROR_NO_SUCH_SERVICE	CONTROL_INTERFACE ".NoSuchService"
#define CONTROL_ERROR_PERMISSION	CONTROL_INTERFACE ".PermissionDenied"
#define CONTROL_ERROR_SHUTTING_DOWN	CONTROL_INTERFACE ".ShuttingDown"
#define CONTROL_ERROR_LIMIT		CONTROL_INTERFACE ".LimitExceeded"
#define CONTROL_ERROR_FAILED		CONTROL_INTERFACE ".Failed"
#define CONTROL_ERROR_BAD_CONFIGURATION CONTROL_INTERFACE ".BadConfiguration"

#define CONTROL_ERROR_NO_INTERFACE  CONTROL_SERVICE_INTERFACE ".InterfaceNotFound"
#define CONTROL_ERROR_NO_METHOD	    CONTROL_SERVICE_INTERFACE ".MethodNotFound"
#define CONTROL_ERROR_NO_METHOD_IMP CONTROL_SERVICE_INTERFACE ".MethodNotImplemented"
#define CONTROL_ERROR_PARAMETER	    CONTROL_SERVICE_INTERFACE ".InvalidParameter"
#define CONTROL_ERROR_EXPECTED_MORE CONTROL_SERVICE_INTERFACE ".ExpectedMore"

/* The interface definitions, as GetInterfaceDescription returns them. */
extern const char control_interface_text[];
extern const char control_service_interface_text[];

/*
 * Finds the first whole message in a buffer: its length without the NUL, or -1 where
 * there is no NUL among the bytes from `scanned` on.
 */
long control_find_message(const struct buf *b, size_t scanned);
