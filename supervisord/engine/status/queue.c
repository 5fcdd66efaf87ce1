/*
 * Anybody can make a queue under any key before we do, and with it read or forge our messages:
 * so it is made with IPC_EXCL, and what is there already is taken only if its id is the one we
 * recorded and owner, creator and mode are what we made. It is made 0600 and opened up after
 * its group is set.
 *
 * Usually nobody reads, and the queue is full: that is normal, and dropping the oldest is how
 * it works, not a trouble to be reported. The kernel's queue has no "drop from the front", so
 * room is made by receiving, for a bounded number of times.
 */
#include "engine/status/queue.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/sys.h"

#define RETRY_USEC USEC_PER_SEC

/* More than enough for one of our messages in place of others; foreign ones can be tiny. */
#define MAX_DROPS 256

#define PROC_QUEUES "/proc/sysvipc/msg"

static _printf_(3, 4) int problem(struct status_queue *q, int error, const char *format, ...)
{
	va_list args;
	int n = snprintf(q->problem, sizeof(q->problem), "message queue 0x%08x ", (unsigned)q->key);

	va_start(args, format);
	vsnprintf(q->problem + n, sizeof(q->problem) - (size_t)n, format, args);
	va_end(args);
	return error;
}

const char *queue_problem(const struct status_queue *q)
{
	return q->problem[0] ? q->problem : NULL;
}

static void cleanup_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* The owner of a queue that we may not look at; false if that can't be had. */
static bool find_owner(int id, uid_t *ret_uid)
{
	_cleanup_(cleanup_file) FILE *f = fopen(PROC_QUEUES, "re");
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		int found;
		unsigned uid;

		/* key msqid perms cbytes qnum lspid lrpid uid … */
		if (sscanf(line, "%*d %d %*o %*u %*u %*d %*d %u", &found, &uid) == 2 &&
			found == id) {
			*ret_uid = uid;
			return true;
		}
	}
	return false;
}

/* Made by an engine that died before it could record the id, and not used since. */
static bool is_half_made(const struct msqid_ds *ds, int recorded_id)
{
	return recorded_id == QUEUE_BEING_MADE && ds->msg_lspid == 0 && ds->msg_lrpid == 0;
}

/* 0 if the queue that is there is the one recorded, unchanged; else a refusal that says why. */
static int check_existing(struct status_queue *q, int id, int recorded_id)
{
	struct msqid_ds ds;
	uid_t us = geteuid(), owner;
	int r = sys_msgctl(id, IPC_STAT, &ds);

	if (r == -EACCES && find_owner(id, &owner))
		return problem(q, -EEXIST, "belongs to uid %u; not using it", (unsigned)owner);
	if (r < 0)
		return problem(q, r, "cannot be looked at: %s", strerror(-r));
	if (ds.msg_perm.uid != us || ds.msg_perm.cuid != us)
		return problem(q, -EEXIST,
			"belongs to uid %u and was made by uid %u, not by us (uid %u); not using "
			"it",
			(unsigned)ds.msg_perm.uid, (unsigned)ds.msg_perm.cuid, (unsigned)us);
	if (is_half_made(&ds, recorded_id))
		return 0; /* its mode may not be set yet */
	if (id != recorded_id)
		return problem(q, -EEXIST,
			"(id %d, of uid %u) exists and is not the one we made; not using it: if "
			"nobody needs it, remove it with ipcrm -q %d",
			id, (unsigned)us, id);
	if ((ds.msg_perm.mode & 0777) != q->mode)
		return problem(q, -EEXIST,
			"(id %d, of uid %u) has mode %04o instead of %04o; not using it: remove it "
			"with ipcrm -q %d",
			id, (unsigned)us, ds.msg_perm.mode & 0777u, (unsigned)q->mode, id);
	return 0;
}

static int apply_access(struct status_queue *q, int id)
{
	struct msqid_ds ds;
	int r = sys_msgctl(id, IPC_STAT, &ds);

	if (r < 0)
		return r;
	ds.msg_perm.mode = (unsigned short)q->mode;
	ds.msg_perm.gid = q->has_group ? q->gid : ds.msg_perm.cgid;
	return sys_msgctl(id, IPC_SET, &ds);
}

static void record(struct status_queue *q, int id)
{
	if (q->record)
		q->record(q, id);
}

static int acquire(struct status_queue *q, int recorded_id)
{
	bool created = false;
	int id, r;

	/* Twice, for a queue that comes between the two looks. */
	for (int i = 0; i < 2; i++) {
		id = sys_msgget(q->key, 0);
		/* The key IPC_PRIVATE is a new queue each time. */
		if (id != -ENOENT)
			break;
		record(q, QUEUE_BEING_MADE);
		id = sys_msgget(q->key, IPC_CREAT | IPC_EXCL | 0600);
		created = id >= 0;
		if (id != -EEXIST)
			break;
	}
	if (id < 0)
		return problem(q, id, "cannot be made: %s", strerror(-id));
	r = created ? 0 : check_existing(q, id, recorded_id);
	if (r < 0)
		return r;
	r = apply_access(q, id);
	if (r < 0) {
		if (created)
			sys_msgctl(id, IPC_RMID, NULL);
		return problem(q, r, "cannot be given its mode and group: %s", strerror(-r));
	}
	record(q, id);
	q->id = id;
	q->problem[0] = '\0';
	return 0;
}

int queue_open(struct status_queue *q, int64_t key, const char *runtime_dir, mode_t mode,
	bool has_group, gid_t gid, int recorded_id)
{
	int r;

	*q = (struct status_queue){
		.id = -1,
		.key = key ? (key_t)key : ftok(runtime_dir, 'S'),
		.mode = mode & 0777,
		.has_group = has_group,
		.gid = gid,
		.record = q->record,
	};
	if (key == 0 && q->key == -1) {
		q->key = IPC_PRIVATE;
		q->retry_usec = USEC_INFINITY;
		q->reported = true;
		return problem(q, -ENOENT, "has no key: cannot look at %s", runtime_dir);
	}
	r = acquire(q, recorded_id);
	if (r < 0) {
		q->retry_usec = usec_add(usec_now(CLOCK_MONOTONIC), RETRY_USEC);
		q->reported = true; /* by the caller, who has the text */
	}
	return r;
}

int queue_set_access(struct status_queue *q, mode_t mode, bool has_group, gid_t gid)
{
	int r;

	q->mode = mode & 0777;
	q->has_group = has_group;
	q->gid = gid;
	if (q->id < 0)
		return 0;
	r = apply_access(q, q->id);
	if (r < 0)
		return problem(q, r, "cannot be given its mode and group: %s", strerror(-r));
	q->problem[0] = '\0';
	return 0;
}

/* Receives the oldest message of a type, for good. */
static bool drop(int id, long type, int flags)
{
	struct queue_buffer lost;

	return sys_msgrcv(id, &lost, sizeof(lost.body), type, IPC_NOWAIT | MSG_NOERROR | flags) >=
	       0;
}

/*
 * Drops the message that matters least; false: there is none that may go for this type. Snapshots
 * are not looked for where there is none of ours; what others put there comes last.
 */
static bool make_room(struct status_queue *q, enum queue_type type)
{
	if (!q->no_snapshots && drop(q->id, QUEUE_SNAPSHOT, 0))
		return true;
	q->no_snapshots = true;
	return drop(q->id, QUEUE_CHANGE, 0) || drop(q->id, QUEUE_ALERT, MSG_EXCEPT) ||
	       (type != QUEUE_SNAPSHOT && drop(q->id, QUEUE_ALERT, 0));
}

/* Whether the message can fit at all. */
static int check_size(int id, size_t n)
{
	struct msqid_ds ds;
	int r = sys_msgctl(id, IPC_STAT, &ds);

	if (r == -EINVAL)
		return -EIDRM;
	if (r < 0)
		return r;
	return n > ds.msg_qbytes ? -EMSGSIZE : 0;
}

static int send_once(struct status_queue *q, const struct queue_buffer *message, size_t n)
{
	int r = sys_msgsnd(q->id, message, n, IPC_NOWAIT);

	if (r < 0)
		return r;
	if (message->type == QUEUE_SNAPSHOT)
		q->no_snapshots = false;
	q->fits = MAX_OF(q->fits, n);
	return 0;
}

/*
 * Where it was full, which is usual, to look costs less than a message that is copied and refused.
 * What has never fit is left to the kernel to judge.
 */
static int send_if_room(struct status_queue *q, const struct queue_buffer *message, size_t n)
{
	struct msqid_ds ds;

	if (q->was_full && n <= q->fits && sys_msgctl(q->id, IPC_STAT, &ds) == 0 &&
		ds.__msg_cbytes + n > ds.msg_qbytes)
		return -EAGAIN;
	return send_once(q, message, n);
}

static int send_making_room(struct status_queue *q, const struct queue_buffer *message, size_t n)
{
	int r = send_if_room(q, message, n);
	bool may_drop = true;

	if (r == -EINVAL) {
		/* The id is gone, or the message is longer than the system allows. */
		r = check_size(q->id, n);
		return r < 0 ? r : -EMSGSIZE;
	}
	q->was_full = r == -EAGAIN;
	for (int i = 0; r == -EAGAIN && i < MAX_DROPS && may_drop; i++) {
		/* The limit may have been lowered: no more than one is dropped for nothing. */
		if (i == 1 || (i == 0 && n > q->fits)) {
			r = check_size(q->id, n);
			if (r < 0)
				return r;
		}
		may_drop = make_room(q, (enum queue_type)message->type);
		/* Also when nothing could be dropped: a reader may have been faster. */
		r = send_once(q, message, n);
	}
	return r == -EINVAL ? -EIDRM : r == -EAGAIN ? -ENOBUFS : r;
}

/* For want of a queue, makes one, now and then. 0 or -ENXIO. */
static int renew(struct status_queue *q)
{
	usec_t now = usec_now(CLOCK_MONOTONIC);

	if (now < q->retry_usec)
		return -ENXIO;
	q->retry_usec = usec_add(now, RETRY_USEC);
	return acquire(q, -1) < 0 ? -ENXIO : 0;
}

static void note_outcome(struct status_queue *q, int r)
{
	if (r >= 0 && q->reported) {
		log_info("message queue 0x%08x mended (id %d): %" PRIu64 " messages were lost",
			(unsigned)q->key, q->id, q->n_lost);
		q->reported = false;
		q->n_lost = 0;
	} else if (r < 0 && r != -ENOBUFS && r != -EMSGSIZE) {
		if (!q->reported && q->problem[0])
			log_warning("%s; going on without", q->problem);
		else if (!q->reported)
			log_warning("cannot write to message queue 0x%08x (id %d): %s; dropping "
				    "messages",
				(unsigned)q->key, q->id, strerror(-r));
		q->reported = true;
		q->n_lost++;
	}
}

int queue_publish(struct status_queue *q, enum queue_type type, const char *body, size_t n)
{
	struct queue_buffer message = {.type = type};
	int r = 0;

	if (n > QUEUE_MAX_BODY)
		return -EMSGSIZE;
	memcpy(message.body, body, n);
	if (q->id >= 0) {
		r = send_making_room(q, &message, n);
		if (r == -EIDRM) {
			log_warning("message queue 0x%08x (id %d) was removed by somebody; making "
				    "a new one",
				(unsigned)q->key, q->id);
			q->id = -1;
			problem(q, r, "was removed by somebody");
		}
	}
	if (q->id < 0) {
		r = renew(q);
		if (r == 0)
			r = send_making_room(q, &message, n);
	}
	note_outcome(q, r);
	return r;
}

void queue_remove(struct status_queue *q)
{
	if (q->id >= 0 && q->key != IPC_PRIVATE) /* which is what a struct all zero has */
		sys_msgctl(q->id, IPC_RMID, NULL);
	q->id = -1;
	q->retry_usec = USEC_INFINITY;
}
