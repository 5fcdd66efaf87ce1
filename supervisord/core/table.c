/*
 * The table: what each state does with each input. An action returns false only where
 * the input can't come in that state, which core_step() reports as a bug to its caller.
 *
 * Invariants that the actions keep:
 *   - a generation is spawned only when the one before it, with its tree, is gone;
 *   - STOPPING always has a deadline, but while it waits for others to go first, and KILL is only
 *     sent when it has passed (or when someone asked for it);
 *   - desired_up says what was asked for last; `then` what follows the stop under way;
 *   - live lists exactly STARTING, RUNNING and STOPPING, in order of start.
 */
#include "core/actions.h"

static bool bug(struct step *s)
{
	(void)s;
	return false;
}

#define NO_NEWS_OF_IT                                                                            \
	[IN_SIGNAL] = {bug}, [IN_LOST] = {bug}, [IN_CLEAR] = {bug}, [IN_STARTED] = {bug},        \
	[IN_HOOK] = {bug}, [IN_MAINPID] = {bug}, [IN_READY] = {bug}, [IN_LEFTOVERS] = {bug},     \
	[IN_FORKED] = {bug}, [IN_POST_STOP] = {bug}, [IN_DONE_STOPPED] = {bug},                  \
	[IN_DONE_START] = {bug}, [IN_DONE_BACKOFF] = {bug}, [IN_DONE_EXITED] = {bug},            \
	[IN_DONE_FAILED] = {bug}, [IN_ALIVE] = {bug}, [IN_TRIGGER] = {bug}, [IN_EXTEND] = {bug}, \
	NO_CHECKS

/* Its health is asked for only while it runs. */
#define NO_CHECKS [IN_HEALTHY] = {bug}, [IN_FAILED_CHECK] = {bug}, [IN_UNHEALTHY] = {bug}

/* clang-format off */
const struct cell core_table[CORE_STATE_MAX][IN_MAX] = {
	[CORE_STOPPED] = {
		[IN_START] = {start},
		[IN_AUTOSTART] = {autostart},
		[IN_DECLINE] = {decline},
		[IN_PULL] = {pulled},
		[IN_YIELD] = {bug},
		[IN_STOP] = {want_down},
		[IN_RESTART] = {start},
		[IN_RESET] = {reset},
		[IN_KILL] = {want_down},
		[IN_GO] = {bug},
		[IN_DEADLINE] = {bug},
		[IN_DUE] = {bug},
		[IN_SCHEDULED] = {bug},
		NO_NEWS_OF_IT, /* no process exists, and its generation is over */
	},
	[CORE_WAITING] = {
		[IN_START] = {start_waiting},
		[IN_AUTOSTART] = {want_up},
		[IN_DECLINE] = {bug},
		[IN_PULL] = {pulled_waiting},
		[IN_YIELD] = {yield_at_once},
		[IN_STOP] = {stop_at_once},
		[IN_RESTART] = {start_waiting},
		[IN_RESET] = {reset},
		[IN_KILL] = {stop_at_once},
		[IN_GO] = {go},
		[IN_DEADLINE] = {bug},
		[IN_DUE] = {due_waiting},
		[IN_SCHEDULED] = {scheduled},
		NO_NEWS_OF_IT, /* no process exists, and its generation is over */
	},
	[CORE_STARTING] = {
		[IN_START] = {want_up},
		[IN_AUTOSTART] = {want_up},
		[IN_DECLINE] = {bug},
		[IN_PULL] = {bug},
		[IN_YIELD] = {yield},
		[IN_STOP] = {stop},
		[IN_RESTART] = {restart},
		[IN_RESET] = {reset},
		[IN_KILL] = {kill_now},
		[IN_SIGNAL] = {signal_main},
		[IN_GO] = {bug},
		[IN_LOST] = {lost},
		[IN_CLEAR] = {bug},
		[IN_STARTED] = {started},
		[IN_HOOK] = {pre_start_done},
		[IN_MAINPID] = {main_known},
		[IN_READY] = {ready},
		[IN_LEFTOVERS] = {end_leftovers},
		[IN_FORKED] = {forked},
		[IN_POST_STOP] = {run_post_stop},
		[IN_DONE_STOPPED] = {done_stopped},
		[IN_DONE_START] = {bug},
		[IN_DONE_BACKOFF] = {done_backoff},
		[IN_DONE_EXITED] = {done_exited},
		[IN_DONE_FAILED] = {done_failed},
		[IN_DEADLINE] = {start_timeout},
		[IN_DUE] = {due_running},
		[IN_SCHEDULED] = {scheduled},
		[IN_ALIVE] = {ignore},
		[IN_TRIGGER] = {ignore},
		[IN_EXTEND] = {extend},
		NO_CHECKS,
	},
	[CORE_RUNNING] = {
		[IN_START] = {want_up},
		[IN_AUTOSTART] = {want_up},
		[IN_DECLINE] = {bug},
		[IN_PULL] = {bug},
		[IN_YIELD] = {yield},
		[IN_STOP] = {stop},
		[IN_RESTART] = {restart},
		[IN_RESET] = {reset},
		[IN_KILL] = {kill_now},
		[IN_SIGNAL] = {signal_main},
		[IN_GO] = {bug},
		[IN_LOST] = {lost},
		[IN_CLEAR] = {bug},
		[IN_STARTED] = {bug},
		[IN_HOOK] = {bug},
		[IN_MAINPID] = {main_changed},
		[IN_READY] = {ignore},
		[IN_LEFTOVERS] = {end_leftovers},
		[IN_FORKED] = {bug},
		[IN_POST_STOP] = {run_post_stop},
		[IN_DONE_STOPPED] = {done_stopped},
		[IN_DONE_START] = {bug},
		[IN_DONE_BACKOFF] = {done_backoff},
		[IN_DONE_EXITED] = {done_exited},
		[IN_DONE_FAILED] = {done_failed},
		[IN_DEADLINE] = {watchdog},
		[IN_DUE] = {due_running},
		[IN_SCHEDULED] = {scheduled},
		[IN_ALIVE] = {alive},
		[IN_TRIGGER] = {trigger},
		[IN_EXTEND] = {ignore},
		[IN_HEALTHY] = {healthy},
		[IN_FAILED_CHECK] = {failed_check},
		[IN_UNHEALTHY] = {unhealthy},
	},
	[CORE_STOPPING] = {
		[IN_START] = {start_after_stop},
		[IN_AUTOSTART] = {autostart_after_stop},
		[IN_DECLINE] = {ignore},
		[IN_PULL] = {pulled_after_stop},
		[IN_YIELD] = {yield_after_all},
		[IN_STOP] = {stop_after_all},
		[IN_RESTART] = {start_after_stop},
		[IN_RESET] = {reset},
		[IN_KILL] = {kill_stopping},
		[IN_SIGNAL] = {signal_main},
		[IN_GO] = {bug},
		[IN_LOST] = {bug},
		[IN_CLEAR] = {clear},
		[IN_STARTED] = {started_stopping},
		[IN_HOOK] = {stop_hook_done},
		[IN_MAINPID] = {main_changed_stopping},
		[IN_READY] = {ignore},
		[IN_LEFTOVERS] = {wait_for_tree},
		[IN_FORKED] = {bug},
		[IN_POST_STOP] = {run_post_stop},
		[IN_DONE_STOPPED] = {done_stopped},
		[IN_DONE_START] = {done_start},
		[IN_DONE_BACKOFF] = {done_backoff},
		[IN_DONE_EXITED] = {done_exited},
		[IN_DONE_FAILED] = {done_failed},
		[IN_DEADLINE] = {stop_timeout},
		[IN_DUE] = {due_stopping},
		[IN_SCHEDULED] = {scheduled},
		[IN_ALIVE] = {ignore},
		[IN_TRIGGER] = {ignore},
		[IN_EXTEND] = {extend},
		NO_CHECKS,
	},
	[CORE_BACKOFF] = {
		[IN_START] = {start},
		[IN_AUTOSTART] = {want_up},
		[IN_DECLINE] = {bug},
		[IN_PULL] = {bug},
		[IN_YIELD] = {yield_at_once},
		[IN_STOP] = {stop_at_once},
		[IN_RESTART] = {start},
		[IN_RESET] = {reset},
		[IN_KILL] = {stop_at_once},
		[IN_GO] = {bug},
		[IN_DEADLINE] = {backoff_over},
		[IN_DUE] = {ignore},
		[IN_SCHEDULED] = {scheduled},
		NO_NEWS_OF_IT, /* no process exists, and its generation is over */
	},
	[CORE_EXITED] = {
		[IN_START] = {start},
		[IN_AUTOSTART] = {autostart},
		[IN_DECLINE] = {ignore},
		[IN_PULL] = {pulled},
		[IN_YIELD] = {bug},
		[IN_STOP] = {stop_at_once},
		[IN_RESTART] = {start},
		[IN_RESET] = {reset},
		[IN_KILL] = {stop_at_once},
		[IN_GO] = {bug},
		[IN_DEADLINE] = {bug},
		[IN_DUE] = {due},
		[IN_SCHEDULED] = {scheduled},
		NO_NEWS_OF_IT, /* no process exists, and its generation is over */
	},
	[CORE_FAILED] = {
		[IN_START] = {start},
		[IN_AUTOSTART] = {autostart},
		[IN_DECLINE] = {ignore},
		[IN_PULL] = {pulled},
		[IN_YIELD] = {bug},
		[IN_STOP] = {stop_at_once},
		[IN_RESTART] = {start},
		[IN_RESET] = {reset_failed},
		[IN_KILL] = {stop_at_once},
		[IN_GO] = {bug},
		[IN_DEADLINE] = {run_queued},
		[IN_DUE] = {due},
		[IN_SCHEDULED] = {scheduled},
		NO_NEWS_OF_IT, /* no process exists, and its generation is over */
	},
};
/* clang-format on */

bool core_cell_is_bug(enum core_state state, enum input in)
{
	return core_table[state][in].action == bug;
}
