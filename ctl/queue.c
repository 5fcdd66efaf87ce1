/*
 * queue: the System V queue itself is read here; supervisord only tells its id.
 *
 * A message that was taken is gone from the queue, so it must be shown whatever happens.
 * Ctrl-C may come between the taking and the showing: the handler ends the program only
 * while the buffer is empty, which the kernel changes before msgrcv() returns.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <unistd.h>

#include "ctl/output/render_json.h"
#include "ctl/output/text.h"
#include "ctl/queue.h"
#include "ctl/verbs.h"
#include "wire/control.h"

#define MAX_PEEKED 65536 /* messages; a queue holds 16 KiB where nobody has raised it */

static struct queue_buffer received;
static volatile sig_atomic_t receiving, interrupted;

static void on_interrupt(int signo)
{
	(void)signo;
	if (receiving && *(volatile long *)&received.type == 0)
		_exit(CTL_INTERRUPTED);
	interrupted = 1;
}

static void catch_interrupt(void)
{
	struct sigaction action = {.sa_handler = on_interrupt}, old;

	sigemptyset(&action.sa_mask);
	if (sigaction(SIGINT, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		sigaction(SIGINT, &action, NULL);
}

static const char *type_name(long type)
{
	static const char *const names[QUEUE_TYPE_MAX] = {
		[QUEUE_ALERT] = "alert", [QUEUE_CHANGE] = "change", [QUEUE_SNAPSHOT] = "snapshot"};

	return type > 0 && type < QUEUE_TYPE_MAX ? names[type] : "unknown";
}

int queue_render(long type, json_t *message, unsigned text_flags, struct buf *out)
{
	_cleanup_buf_ struct buf line = {0};
	const char *previous = render_string(message, "previous");
	const char *reason = render_string(message, "reason");
	int64_t pid = render_integer(message, "pid", 0);
	int r = buf_printf(&line, "%s %" PRIi64 " %s %s %s%s%s", render_string(message, "time"),
		render_integer(message, "seq", 0), type_name(type),
		render_string(message, "service"), previous, *previous != '\0' ? " -> " : "",
		render_string(message, "state"));

	if (r == 0 && pid > 0)
		r = buf_printf(&line, " (pid %" PRIi64 ")", pid);
	if (r == 0 && *reason != '\0')
		r = buf_printf(&line, " %s", reason);
	if (r == 0)
		r = text_append_safe(out, line.data, line.len, text_flags);
	return r < 0 ? r : buf_append(out, SIZE_MAX, "\n", 1);
}

/* What can't be understood is shown as it is: it was taken, and nobody else will see it. */
static int show_unknown(struct ctl *ctl, long type, const char *body, size_t n)
{
	_cleanup_buf_ struct buf text = {0}, line = {0};
	int r;

	if (ctl->json) {
		r = text_append_utf8(&text, body, n);
		return r < 0 ? r
			     : ctl_write_json_line(ctl,
				       json_pack("{s:I,s:o}", "type", (json_int_t)type, "body",
					       json_stringn(text.data ? text.data : "", text.len)));
	}
	r = text_append_safe(&text, body, n, term_text_flags(&ctl->term));
	if (r == 0)
		r = buf_printf(&line, "not a status message: %.*s\n", (int)text.len,
			text.data ? text.data : "");
	if (r == 0)
		ctl_write(ctl, &line);
	return r;
}

static int show(struct ctl *ctl, const struct queue_buffer *buffer, size_t n)
{
	json_t *message = json_loadb(buffer->body, n, 0, NULL);
	_cleanup_buf_ struct buf line = {0};
	int r;

	if (!json_is_object(message)) {
		r = show_unknown(ctl, buffer->type, buffer->body, n);
	} else if (ctl->json) {
		json_object_set_new(message, "type", json_integer(buffer->type));
		r = ctl_write_json_line(ctl, json_incref(message));
	} else {
		r = queue_render(buffer->type, message, term_text_flags(&ctl->term), &line);
		if (r == 0)
			ctl_write(ctl, &line);
	}
	json_decref(message);
	return r < 0 ? r : ctl_flush(ctl);
}

static int tell(struct ctl *ctl, int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		ctl_error(ctl, "may not read the queue: %s; see queue.mode and queue.group",
			strerror(error));
		return CTL_NOT_PERMITTED;
	case EIDRM:
	case EINVAL:
		ctl_error(ctl, "the queue is gone: supervisord has ended");
		return CTL_NOTHING_THERE;
	case ENOSYS:
		ctl_error(ctl, "this kernel cannot look without taking (no MSG_COPY)");
		return CTL_FAILED;
	default:
		ctl_error(ctl, "cannot read the queue: %s", strerror(error));
		return CTL_FAILED;
	}
}

/* Takes messages until there is none, or for ever. */
static int take(struct ctl *ctl, int id)
{
	int flags = MSG_NOERROR | (ctl->follow ? 0 : IPC_NOWAIT);

	catch_interrupt();
	for (;;) {
		ssize_t n;

		/* In this order: a Ctrl-C before `receiving` is seen here, a later one ends us. */
		*(volatile long *)&received.type = 0;
		receiving = 1;
		if (interrupted)
			return CTL_INTERRUPTED;
		n = msgrcv(id, &received, sizeof(received.body), -(QUEUE_TYPE_MAX - 1), flags);
		receiving = 0;
		if (n < 0 && errno == ENOMSG)
			return CTL_DONE;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return tell(ctl, errno);
		if (show(ctl, &received, (size_t)n) < 0)
			return CTL_DONE; /* whoever reads us has gone, or ctl_flush() tells at the
					    end */
	}
	return CTL_INTERRUPTED;
}

/* Looks at each message in the order of the queue, and shows those of one type. */
static int peek_type(struct ctl *ctl, int id, long type)
{
	struct queue_buffer buffer;

	for (long i = 0; i < MAX_PEEKED; i++) {
		ssize_t n = msgrcv(
			id, &buffer, sizeof(buffer.body), i, MSG_COPY | IPC_NOWAIT | MSG_NOERROR);

		if (n < 0 && errno == ENOMSG)
			break;
		if (n < 0)
			return tell(ctl, errno);
		if (buffer.type == type && show(ctl, &buffer, (size_t)n) < 0)
			break;
	}
	return CTL_DONE;
}

/* In the order in which they would be taken: by urgency, then by age. */
static int peek(struct ctl *ctl, int id)
{
	int status = CTL_DONE;

	for (long type = QUEUE_ALERT; status == CTL_DONE && type < QUEUE_TYPE_MAX; type++)
		status = peek_type(ctl, id, type);
	return status;
}

int verb_queue(struct ctl *ctl)
{
	json_t *reply = NULL;
	int64_t id;
	int status;

	if (ctl->peek && ctl->follow) {
		ctl_error(ctl, "--peek and --follow do not go together: one leaves, one takes");
		return CTL_USAGE;
	}
	status = ctl_call_once(ctl, CONTROL_INTERFACE ".Queue", json_object(), 0, &reply);
	if (status != 0)
		return status;
	id = render_integer(reply, "id", -1);
	if (id < 0) {
		ctl_error(ctl, "there is no message queue: %s", render_string(reply, "message"));
		json_decref(reply);
		return CTL_FAILED;
	}
	json_decref(reply);
	return ctl->peek ? peek(ctl, (int)id) : take(ctl, (int)id);
}
