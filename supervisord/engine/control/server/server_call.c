/*
 * From the bytes of a request to the method, and back. All that can be judged by the table
 * is judged here: a method gets only parameters that it declared, of their kinds, from a
 * peer that has the right. The right comes before the parameters, so that a refused peer
 * learns nothing.
 *
 * A request that is no request (not JSON, no method) is answered and the connection
 * closed: the two ends no longer agree about the protocol. A wrong parameter is the
 * caller's mistake only, and the connection stays.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/control/server/server_internal.h"

#define MESSAGE_SIZE 256

static void get_info(void *userdata, struct server_call *call);
static void get_interface_description(void *userdata, struct server_call *call);

/* What a peer without any right may call, too. userdata is the server. */
static const struct server_method service_methods[] = {
	{.name = "GetInfo", .needs = PEER_RIGHT_NONE, .call = get_info},
	{
		.name = "GetInterfaceDescription",
		.needs = PEER_RIGHT_NONE,
		.parameters = {{"interface", SERVER_STRING, false}},
		.call = get_interface_description,
	},
};

/* Frees the call; its connection may go on with the next. */
static void end_call(struct server_conn *c)
{
	struct server_call *call = c->call;

	c->call = NULL;
	json_decref(call->parameters);
	free(call);
}

void server_call_cancel(struct server_conn *c)
{
	if (!c->call)
		return;
	if (c->call->cancelled)
		c->call->cancelled(c->call);
	end_call(c);
}

/* {"error": …, "parameters": …, "continues": true}; parameters are stolen. NULL: no memory. */
static json_t *make_message(const char *error, json_t *parameters, bool continues)
{
	json_t *message = json_object();
	int r = 0;

	if (error)
		r |= json_object_set_new(message, "error", json_string(error));
	if (parameters)
		r |= json_object_set_new(message, "parameters", parameters);
	if (continues)
		r |= json_object_set_new(message, "continues", json_true());
	if (r == 0)
		return message;
	json_decref(message);
	return NULL;
}

static int send_message(
	struct server_conn *c, const char *error, json_t *parameters, bool continues)
{
	json_auto_t *message = make_message(error, parameters, continues);

	if (!message) {
		server_conn_drop(c);
		return -ENOMEM;
	}
	return server_conn_send(c, message);
}

int server_reply(struct server_call *call, json_t *parameters, bool continues)
{
	struct server_conn *c = call->conn;
	int r = 0;

	if (!parameters)
		return server_error_message(
			call, CONTROL_ERROR_FAILED, "the reply could not be built");
	if (call->oneway || (continues && !call->more))
		json_decref(parameters);
	else
		r = send_message(c, NULL, parameters, continues);
	if (!continues)
		end_call(c);
	server_conn_settle(c);
	return r;
}

static int append_text(const char *data, size_t n, void *userdata)
{
	return buf_append(userdata, SIZE_MAX, data, n);
}

int server_encode(json_t *parameters, struct buf *messages)
{
	json_auto_t *message = parameters ? make_message(NULL, parameters, true) : NULL;
	size_t before = messages->len;

	if (message && json_dump_callback(message, append_text, messages, JSON_COMPACT) == 0 &&
		append_text("", 1, messages) == 0)
		return 0;
	messages->len = before;
	return -ENOMEM;
}

int server_send(struct server_call *call, const struct buf *messages)
{
	struct server_conn *c = call->conn;
	int r;

	assert(call->more);
	r = server_conn_queue(c, messages);
	server_conn_settle(c);
	return r;
}

size_t server_unread(const struct server_call *call)
{
	return server_conn_unread(call->conn);
}

int server_error(struct server_call *call, const char *name, json_t *parameters)
{
	struct server_conn *c = call->conn;
	int r = 0;

	if (call->oneway)
		json_decref(parameters);
	else
		r = send_message(c, name, parameters, false);
	end_call(c);
	server_conn_settle(c);
	return r;
}

int server_error_message(struct server_call *call, const char *name, const char *format, ...)
{
	_cleanup_free_
	char *text = NULL;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		text = NULL; /* undefined by vasprintf() */
	return server_error(call, name, text ? json_pack("{s:s}", "message", text) : NULL);
}

int server_error_parameter(struct server_call *call, const char *parameter)
{
	return server_error(
		call, CONTROL_ERROR_PARAMETER, json_pack("{s:s}", "parameter", parameter));
}

static void get_info(void *userdata, struct server_call *call)
{
	const struct server_service *service = ((struct server *)userdata)->service;

	server_reply(call,
		json_pack("{s:s, s:s, s:s, s:s, s:[s, s]}", "vendor", service->vendor, "product",
			service->product, "version", service->version, "url", service->url,
			"interfaces", CONTROL_SERVICE_INTERFACE, CONTROL_INTERFACE),
		false);
}

static void get_interface_description(void *userdata _unused_, struct server_call *call)
{
	const char *name = json_string_value(json_object_get(call->parameters, "interface"));
	const char *text = NULL;

	if (strcmp(name, CONTROL_INTERFACE) == 0)
		text = control_interface_text;
	else if (strcmp(name, CONTROL_SERVICE_INTERFACE) == 0)
		text = control_service_interface_text;
	if (text)
		server_reply(call, json_pack("{s:s}", "description", text), false);
	else
		server_error(
			call, CONTROL_ERROR_NO_INTERFACE, json_pack("{s:s}", "interface", name));
}

static bool is_of_kind(const json_t *value, enum server_kind kind)
{
	size_t i;
	json_t *item;

	switch (kind) {
	case SERVER_STRING:
		return json_is_string(value);
	case SERVER_BOOL:
		return json_is_boolean(value);
	case SERVER_INT:
		return json_is_integer(value);
	case SERVER_STRINGS:
		if (!json_is_array(value))
			return false;
		json_array_foreach(value, i, item)
		{
			if (!json_is_string(item))
				return false;
		}
		return true;
	case SERVER_KIND_MAX:
		break;
	}
	return false;
}

static bool is_declared(const struct server_method *method, const char *name)
{
	for (const struct server_parameter *p = method->parameters; p->name; p++) {
		if (strcmp(p->name, name) == 0)
			return true;
	}
	return false;
}

/* False: the call was ended with an error. */
static bool check_parameter(struct server_call *call, const struct server_parameter *p)
{
	const json_t *value = json_object_get(call->parameters, p->name);

	if (p->optional && (!value || json_is_null(value))) {
		json_object_del(call->parameters, p->name);
		return true;
	}
	if (!value || !is_of_kind(value, p->kind)) {
		server_error_parameter(call, p->name);
		return false;
	}
	if (p->kind == SERVER_STRINGS && json_array_size(value) > CONTROL_MAX_NAMES) {
		server_error_message(call, CONTROL_ERROR_LIMIT,
			"%s: at most %d are allowed in one request", p->name, CONTROL_MAX_NAMES);
		return false;
	}
	return true;
}

/* False: the call was ended with an error. */
static bool check_parameters(struct server_call *call)
{
	const struct server_method *m = call->method;
	const char *name;
	json_t *value;

	json_object_foreach(call->parameters, name, value)
	{
		if (!is_declared(m, name)) {
			server_error_parameter(call, name);
			return false;
		}
	}
	for (const struct server_parameter *p = m->parameters; p->name; p++) {
		if (!check_parameter(call, p))
			return false;
	}
	return true;
}

static const struct server_method *find_method(
	const struct server_method *methods, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(methods[i].name, name) == 0)
			return &methods[i];
	}
	return NULL;
}

static void refuse(struct server_call *call)
{
	const struct server_method *m = call->method;

	server_refused(call->conn->server, call->peer, m->name);
	if (m->needs == PEER_RIGHT_OWN)
		server_error_message(call, CONTROL_ERROR_PERMISSION,
			"uid %u may not %s: only root and the owner of supervisord may",
			call->peer->uid, m->name);
	else
		server_error_message(call, CONTROL_ERROR_PERMISSION,
			"uid %u may not %s: it takes the right to %s", call->peer->uid, m->name,
			peer_right_to_string(m->needs));
}

/* Finds the method and what it is called with, or ends the call with an error: false. */
static bool resolve(struct server_call *call, const char *full_name, void **ret_userdata)
{
	struct server *s = call->conn->server;
	const char *dot = strrchr(full_name, '.');
	size_t n = dot ? (size_t)(dot - full_name) : strlen(full_name);

	if (n == strlen(CONTROL_SERVICE_INTERFACE) &&
		strncmp(full_name, CONTROL_SERVICE_INTERFACE, n) == 0) {
		*ret_userdata = s;
		call->method = find_method(service_methods, ELEMENTSOF(service_methods), dot + 1);
	} else if (n == strlen(CONTROL_INTERFACE) &&
		   strncmp(full_name, CONTROL_INTERFACE, n) == 0) {
		*ret_userdata = s->service->userdata;
		call->method = find_method(s->service->methods, s->service->n_methods, dot + 1);
	} else {
		server_error(call, CONTROL_ERROR_NO_INTERFACE,
			json_pack("{s:s%}", "interface", full_name, n));
		return false;
	}
	if (call->method)
		return true;
	server_error(call, CONTROL_ERROR_NO_METHOD, json_pack("{s:s}", "method", full_name));
	return false;
}

static void start_call(struct server_call *call, const char *full_name)
{
	struct server_conn *c = call->conn;
	void *userdata;

	if (!resolve(call, full_name, &userdata))
		return;
	if (call->right < call->method->needs) {
		refuse(call);
		return;
	}
	if (call->method->needs_more && !call->more) {
		server_error(call, CONTROL_ERROR_EXPECTED_MORE, NULL);
		return;
	}
	if (!check_parameters(call))
		return;
	call->method->call(userdata, call);
	/* A call that the method keeps must be able to hear of the connection's end. */
	assert(!c->call || c->call->cancelled);
}

/* Each value but the first follows an opening bracket, a comma or a colon. */
size_t server_call_count_values(const char *data, size_t n)
{
	size_t values = 1;
	bool quoted = false;

	for (size_t i = 0; i < n; i++) {
		switch (data[i]) {
		case '"':
			quoted = !quoted;
			break;
		case '\\':
			i += quoted;
			break;
		case '{':
		case '[':
		case ',':
		case ':':
			values += !quoted;
			break;
		}
	}
	return values;
}

/* Answers what is no request, and ends the connection. */
static void reject(struct server_conn *c, const char *name, json_t *parameters)
{
	c->closing = true;
	send_message(c, name, parameters, false);
}

void server_call_too_long(struct server_conn *c)
{
	char text[MESSAGE_SIZE];

	snprintf(text, sizeof(text), "a request may have %zu bytes and %d values",
		c->server->settings.max_request_bytes, SERVER_MAX_VALUES);
	reject(c, CONTROL_ERROR_LIMIT, json_pack("{s:s}", "message", text));
}

/* The flags must be booleans where they are given. */
static bool get_flag(const json_t *request, const char *name, bool *ret_value)
{
	const json_t *value = json_object_get(request, name);

	*ret_value = json_is_true(value);
	return !value || json_is_boolean(value) || json_is_null(value);
}

/* Returns the name of what is wrong with a request, or NULL. */
static const char *check_request(json_t *request, struct server_call *ret_call)
{
	json_t *parameters = json_object_get(request, "parameters");
	bool upgrade;

	if (!json_is_string(json_object_get(request, "method")))
		return "method";
	if (parameters && !json_is_object(parameters) && !json_is_null(parameters))
		return "parameters";
	if (!get_flag(request, "more", &ret_call->more))
		return "more";
	if (!get_flag(request, "oneway", &ret_call->oneway) || (ret_call->more && ret_call->oneway))
		return "oneway";
	if (!get_flag(request, "upgrade", &upgrade) || upgrade)
		return "upgrade";
	ret_call->parameters = json_is_object(parameters) ? json_incref(parameters) : json_object();
	return NULL;
}

void server_call_begin(struct server_conn *c, json_t *stolen)
{
	const struct server *s = c->server;
	json_auto_t *request = stolen;
	struct server_call *call;
	const char *wrong = "method";

	if (!json_is_object(request)) {
		reject(c, CONTROL_ERROR_PARAMETER, json_pack("{s:s}", "parameter", wrong));
		return;
	}
	call = malloc(sizeof(*call));
	if (!call) {
		server_conn_drop(c);
		return;
	}
	*call = (struct server_call){
		.conn = c,
		.peer = &c->peer,
		.right = peer_right(&c->peer, s->settings.owner, s->operators, s->observers),
	};
	list_init(&call->node);
	wrong = check_request(request, call);
	if (wrong) {
		free(call);
		reject(c, CONTROL_ERROR_PARAMETER, json_pack("{s:s}", "parameter", wrong));
		return;
	}
	c->call = call;
	start_call(call, json_string_value(json_object_get(request, "method")));
}
