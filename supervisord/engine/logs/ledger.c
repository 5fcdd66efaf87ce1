/*
 * A commit is a few stores; for tests it is also a place to be killed at.
 */
#include "engine/logs/ledger.h"

#include "base/sys.h"

void ledger_commit(struct ledger *l, enum intent_phase phase)
{
	l->intent.phase = (uint8_t)phase;
	l->intent.rotated_usec = *l->rotated_usec;
	intent_commit(l->room(l), &l->intent);
	sys_point("intent");
}
