/*
 * Between client and verbs: every way in which a call can fail becomes a sentence on
 * stderr and an exit status, in this one place.
 */
#include <errno.h>
#include <string.h>

#include "base/usec.h"
#include "ctl/ctl.h"
#include "ctl/output/text.h"
#include "ctl/verbs.h"
#include "wire/control.h"

static const char *parameter(json_t *reply, const char *key)
{
	const char *text =
		json_string_value(json_object_get(json_object_get(reply, "parameters"), key));

	return text ? text : "";
}

static const char *after_colon(const char *text)
{
	return *text != '\0' ? ": " : "";
}

/* Each "FILE:LINE: what", as an editor likes to have it. */
static void tell_bad_configuration(struct ctl *ctl, json_t *reply)
{
	json_t *errors = json_object_get(json_object_get(reply, "parameters"), "errors"), *item;
	size_t i;

	json_array_foreach(errors, i, item)
	{
		const char *text = json_string_value(item);

		ctl_tell(ctl, text ? text : "");
	}
	ctl_error(ctl, "nothing was changed");
}

static int tell_error(struct ctl *ctl, const char *method, json_t *reply)
{
	const char *error = json_string_value(json_object_get(reply, "error"));
	const char *message = parameter(reply, "message");

	if (strcmp(error, CONTROL_ERROR_NO_SUCH_SERVICE) == 0) {
		ctl_no_such(ctl, parameter(reply, "name"));
		return CTL_NOTHING_THERE;
	}
	if (strcmp(error, CONTROL_ERROR_PERMISSION) == 0 ||
		strcmp(error, CONTROL_SERVICE_INTERFACE ".PermissionDenied") == 0) {
		ctl_error(ctl, "not permitted%s%s", after_colon(message), message);
		return CTL_NOT_PERMITTED;
	}
	if (strcmp(error, CONTROL_ERROR_PARAMETER) == 0) {
		ctl_error(ctl, "supervisord does not take this: %s", parameter(reply, "parameter"));
		return CTL_USAGE;
	}
	if (strcmp(error, CONTROL_ERROR_BAD_CONFIGURATION) == 0)
		tell_bad_configuration(ctl, reply);
	else if (strcmp(error, CONTROL_ERROR_SHUTTING_DOWN) == 0)
		ctl_error(ctl, "supervisord is shutting down");
	else if (strcmp(error, CONTROL_ERROR_LIMIT) == 0)
		ctl_error(ctl, "supervisord is at a limit%s%s", after_colon(message), message);
	else if (strcmp(error, CONTROL_ERROR_FAILED) == 0)
		ctl_error(ctl, "%s", *message != '\0' ? message : "supervisord could not do it");
	else if (strcmp(error, CONTROL_ERROR_NO_METHOD) == 0 ||
		 strcmp(error, CONTROL_ERROR_NO_METHOD_IMP) == 0 ||
		 strcmp(error, CONTROL_ERROR_NO_INTERFACE) == 0)
		ctl_error(ctl, "this supervisord does not know %s; is it an older one?", method);
	else
		ctl_error(ctl, "supervisord answers %s%s%s", error, after_colon(message), message);
	return CTL_FAILED;
}

static int tell_errno(struct ctl *ctl, int error)
{
	const char *path = ctl->client.path;
	char span[USEC_SPAN_SIZE];

	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
	case ENOTDIR:
		ctl_error(ctl, "cannot connect to %s: %s; is supervisord running?", path,
			strerror(error));
		return CTL_NOTHING_THERE;
	case EACCES:
	case EPERM:
		ctl_error(ctl, "cannot connect to %s: %s; its owner or root may", path,
			strerror(error));
		return CTL_NOT_PERMITTED;
	case ECONNRESET:
		ctl_error(ctl, "lost the connection to %s, and it did not come back within %s",
			path, usec_span(ctl->client.bridge_usec, span));
		return CTL_NOTHING_THERE;
	case ESHUTDOWN:
		ctl_error(ctl, "supervisord has ended");
		return CTL_NOTHING_THERE;
	case EINPROGRESS:
		ctl_error(ctl, "lost the connection to %s; it may have been done or not", path);
		return CTL_FAILED;
	case ETIMEDOUT:
		ctl_error(ctl, "supervisord does not answer on %s within %s", path,
			usec_span(ctl->client.reply_usec, span));
		return CTL_FAILED;
	case EBADMSG:
		ctl_error(ctl, "what listens on %s does not speak varlink", path);
		return CTL_FAILED;
	case EMSGSIZE:
		ctl_error(ctl, "too many names for one request; use fewer, or a glob");
		return CTL_USAGE;
	default:
		ctl_error(ctl, "cannot talk to %s: %s", path, strerror(error));
		return CTL_FAILED;
	}
}

int ctl_explain(struct ctl *ctl, const char *method, int result, json_t *error)
{
	int status = 0;

	if (result == CLIENT_ERROR)
		status = tell_error(ctl, method, error);
	else if (result < 0)
		status = tell_errno(ctl, -result);
	json_decref(error);
	return status;
}

int ctl_call(struct ctl *ctl, const char *method, json_t *parameters, unsigned flags,
	client_reply_fn *on_reply, void *userdata)
{
	json_t *error = NULL;
	int r = -ENOMEM;

	if (parameters)
		r = client_call(
			&ctl->client, method, parameters, flags, on_reply, userdata, &error);
	json_decref(parameters);
	return ctl_explain(ctl, method, r, error);
}

static int keep_reply(json_t *parameters, void *userdata)
{
	*(json_t **)userdata = json_incref(parameters);
	return 0;
}

int ctl_call_once(
	struct ctl *ctl, const char *method, json_t *parameters, unsigned flags, json_t **ret_reply)
{
	return ctl_call(ctl, method, parameters, flags, keep_reply, ret_reply);
}

json_t *ctl_names(struct ctl *ctl, size_t first)
{
	json_t *names = json_array();

	if (names && ctl->n_args - first > CONTROL_MAX_NAMES) {
		ctl_error(ctl, "too many names: %zu, at most %d", ctl->n_args - first,
			CONTROL_MAX_NAMES);
		json_decref(names);
		return NULL;
	}
	for (size_t i = first; names && i < ctl->n_args; i++) {
		json_t *name = json_string(ctl->args[i]);

		if (!name || *ctl->args[i] == '\0') {
			ctl_error(ctl, "'%s' is not a name", ctl->args[i]);
			json_decref(name);
			json_decref(names);
			return NULL;
		}
		json_array_append_new(names, name);
	}
	return names;
}
