/*
 * The rules of the policy that may apply, as numbers, beside how far they are used up. What its
 * process goes by counts, as in the core.
 */
#include "base/parse.h"
#include "engine/control/checks.h"
#include "engine/control/status.h"
#include "engine/control/why/why_internal.h"
#include "engine/service.h"

#define N_CODES 256

static const struct core_record *record_of(const struct service *s)
{
	return core_record(s->engine->core, s->id);
}

static json_t *success_codes(const struct spec_policy *p)
{
	json_t *codes = json_array();

	for (int code = 0; code < N_CODES; code++) {
		if (spec_is_success(p, code))
			json_array_append_new(codes, json_integer(code));
	}
	return codes;
}

/* Until failures before this run are forgotten; null where there is nothing to forget or to wait
 * for. */
static json_t *stable_in(const struct service *s, const struct why_now *now)
{
	const struct spec_policy *p = s->spec->policy;
	const struct core_record *r = record_of(s);
	usec_t stable = usec_add(r->started_usec, p->stable_after_usec);

	if (r->state != CORE_RUNNING || p->stable_after_usec == 0 || r->streak == 0)
		return json_null();
	return why_msec(usec_sub(stable, now->monotonic_usec));
}

json_t *why_restart(const struct service *s, const struct why_now *now)
{
	const struct spec_policy *p = s->spec->policy;
	struct core_restart_facts facts;

	core_restart_facts(s->engine->core, s->id, now->monotonic_usec, &facts);
	return json_pack("{s:s,s:o,s:b,s:b,s:i,s:o,s:i,s:i,s:o,s:o,s:o,s:o}", "policy",
		spec_restart_to_string(p->restart), "success_codes", success_codes(p), "success",
		facts.success, "wanted", facts.wanted, "limit", (int)p->restart_limit, "window_ms",
		why_msec(p->restart_window_usec), "used", (int)facts.n_counted, "failures",
		(int)record_of(s)->streak, "delay_ms", why_msec(facts.delay_usec), "max_delay_ms",
		why_msec(p->restart_max_delay_usec), "stable_after_ms",
		why_msec(p->stable_after_usec), "stable_in_ms", stable_in(s, now));
}

json_t *why_stop(const struct service *s)
{
	const struct spec_policy *p = s->spec->policy;
	char name[SIGNAL_NAME_SIZE];

	return json_pack("{s:s,s:o,s:s,s:b}", "signal", signal_name(p->stop_signal, name),
		"timeout_ms", why_msec(p->stop_timeout_usec), "kill",
		spec_kill_to_string(p->stop_kill), "command", spec_has_hook(p, SPEC_HOOK_STOP));
}

json_t *why_ready(const struct service *s)
{
	json_t *readiness = checks_readiness(s);

	if (readiness)
		json_object_set_new(
			readiness, "timeout_ms", why_msec(s->spec->policy->ready_timeout_usec));
	return readiness;
}

json_t *why_health(const struct service *s)
{
	const struct spec_check *c = s->spec->contact->health;
	const struct spec_policy *p = s->spec->policy;

	if (c->kind == SPEC_PROBE_NONE)
		return json_null();
	return json_pack("{s:s,s:i,s:i,s:s,s:o,s:o,s:o}", "kind", spec_probe_to_string(c->kind),
		"failures", (int)record_of(s)->n_unhealthy, "limit", (int)p->health_failures,
		"action", spec_action_to_string(p->health_action), "interval_ms",
		why_msec(c->interval_usec), "grace_ms", why_msec(c->grace_usec), "probe",
		checks_probe(s));
}
