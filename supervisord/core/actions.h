/*
 * What the table's cells do. Each returns false only where its input can't come in that state.
 * action.c has those that hardly do anything, start.c those of a way up, stop.c of a way down,
 * end.c of what follows an end.
 */
#pragma once

#include "core/state.h"

/* --- action.c --- */
bool ignore(struct step *s);
bool want_up(struct step *s); /* it is up or on its way */
bool want_down(struct step *s); /* it is down */
bool decline(struct step *s); /* it stays down for the sake of another one */
bool reset(struct step *s);
bool reset_failed(struct step *s);
bool signal_main(struct step *s); /* an operator's */
bool scheduled(struct step *s);
bool extend(struct step *s);
bool main_changed(struct step *s);
bool main_changed_stopping(struct step *s);

/* What those share with the others: who asked, and what is wanted. */
enum core_why asker(const struct step *s, enum core_why by_operator);
enum core_why stop_why(const struct step *s);
/* Wanted up or down from now on, by the event's request if there is one. */
void want(struct step *s, bool up);
void forget_failures(struct step *s);

/* --- start.c --- */
bool start(struct step *s);
bool autostart(struct step *s);
bool pulled(struct step *s);
bool start_waiting(struct step *s); /* asked for again, it keeps its place in line */
bool pulled_waiting(struct step *s);
bool go(struct step *s);
bool backoff_over(struct step *s);
bool due(struct step *s);
bool due_waiting(struct step *s);
bool pre_start_done(struct step *s);
bool started(struct step *s);
bool forked(struct step *s);
bool main_known(struct step *s);
bool ready(struct step *s);
bool alive(struct step *s);
bool healthy(struct step *s);
bool failed_check(struct step *s);

/* Starts it, or has it wait for what is in the way. */
bool try_start(struct step *s, enum core_why why, bool automatic);

/* --- stop.c --- */
bool stop(struct step *s);
bool stop_at_once(struct step *s); /* nothing of it is alive */
bool stop_after_all(struct step *s); /* it is being stopped; nothing follows */
bool restart(struct step *s);
bool start_after_stop(struct step *s);
bool autostart_after_stop(struct step *s);
bool pulled_after_stop(struct step *s);
bool kill_now(struct step *s);
bool kill_stopping(struct step *s);
bool yield(struct step *s);
bool yield_at_once(struct step *s);
bool yield_after_all(struct step *s);
bool lost(struct step *s);
bool clear(struct step *s);
bool stop_hook_done(struct step *s);
bool started_stopping(struct step *s);
bool end_leftovers(struct step *s);
bool wait_for_tree(struct step *s);
bool start_timeout(struct step *s);
bool watchdog(struct step *s);
bool trigger(struct step *s);
bool unhealthy(struct step *s);
bool stop_timeout(struct step *s);
bool due_running(struct step *s);
bool due_stopping(struct step *s);

void watch_tree(struct step *s);

/* --- end.c --- */
bool run_post_stop(struct step *s);
bool done_stopped(struct step *s);
bool done_start(struct step *s);
bool done_backoff(struct step *s);
bool done_exited(struct step *s);
bool done_failed(struct step *s);
bool run_queued(struct step *s); /* CORE_FAILED with one that is queued */
