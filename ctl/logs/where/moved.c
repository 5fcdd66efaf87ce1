/*
 * supervisord saves each configuration beside its socket before it puts it in force, which rings
 * here without a connection being held. Services take it over moments later, or with their next
 * start: it is asked until none is left that has yet to.
 */
#include "ctl/logs/where/moved.h"

#include <errno.h>
#include <string.h>

#include "ctl/logs/where/where.h"
#include "wire/control.h"

#define SAVED	   "configuration."
#define N_ASKS	   5 /* after a change; loading and applying take less */
#define ASK_USEC   USEC_PER_SEC
#define REPLY_USEC USEC_PER_SEC

int moved_init(struct moved *m, const struct ctl *ctl, json_t *names)
{
	*m = (struct moved){.client.fd = -1, .watch = -1};
	if (!names)
		return 0;
	m->directory = where_directory(ctl);
	if (!m->directory || client_init(&m->client, ctl->client.path) < 0)
		return -ENOMEM;
	m->client.reply_usec = REPLY_USEC;
	m->client.bridge_usec = m->client.refused_usec = 0;
	m->names = names;
	return 0;
}

void moved_fini(struct moved *m)
{
	client_fini(&m->client);
	free(m->directory);
}

void moved_watch(struct moved *m, int inotify)
{
	if (m->directory)
		m->watch = inotify_add_watch(inotify, m->directory, IN_MOVED_TO | IN_ONLYDIR);
}

void moved_event(struct moved *m, const struct inotify_event *event)
{
	bool saved = event->wd == m->watch && event->len > 0 &&
		     strncmp(event->name, SAVED, strlen(SAVED)) == 0;

	if (!m->names || (!saved && !(event->mask & IN_Q_OVERFLOW)))
		return;
	m->n_asks = N_ASKS;
	m->next_usec = 0;
}

bool moved_is_awaited(const struct moved *m)
{
	return m->n_asks > 0;
}

static int keep(json_t *parameters, void *userdata)
{
	*(json_t **)userdata = json_incref(json_object_get(parameters, "services"));
	return 0;
}

static bool is_any_pending(json_t *services)
{
	json_t *service;
	size_t i;

	json_array_foreach(services, i, service)
	{
		if (json_is_true(json_object_get(service, "pending")))
			return true;
	}
	return false;
}

json_t *moved_ask(struct moved *m)
{
	json_t *parameters, *error = NULL, *services = NULL;
	usec_t now = usec_now(CLOCK_MONOTONIC);

	if (m->n_asks == 0 || now < m->next_usec)
		return NULL;
	m->next_usec = usec_add(now, ASK_USEC);
	parameters = json_pack("{s:O}", "names", m->names);
	/* Where nobody answers, it is asked again; nor need a name mean anything any more. */
	if (parameters)
		(void)client_call(&m->client, CONTROL_INTERFACE ".Logs", parameters, 0, keep,
			&services, &error);
	client_hang_up(&m->client);
	json_decref(parameters);
	json_decref(error);
	if (!is_any_pending(services))
		m->n_asks--;
	return services;
}
