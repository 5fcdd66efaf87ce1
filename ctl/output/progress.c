/*
 * Shown only once something has taken a second, and on standard error, so that what is piped
 * on is not touched.
 */
#include "ctl/output/progress.h"

#include "ctl/output/text.h"
#include "ctl/verbs.h"

/* "2 done, 4s: restart web db ..." */
static void show(void *userdata)
{
	struct progress *p = userdata;
	struct ctl *ctl = p->ctl;
	_cleanup_buf_ struct buf line = {0}, safe = {0};
	usec_t since = usec_sub(usec_now(CLOCK_MONOTONIC), p->start);
	char span[USEC_SPAN_SIZE];
	int r = buf_printf(&line, "%zu done, %s: %s", p->n_done,
		usec_span(since / USEC_PER_SEC * USEC_PER_SEC, span), ctl->verb->name);

	for (size_t i = 0; r == 0 && i < ctl->n_args && line.len < ctl->term.width; i++)
		r = buf_printf(&line, " %s", ctl->args[i]);
	if (r == 0)
		r = text_append_safe(&safe, line.data, line.len, term_text_flags(&ctl->term));
	if (r < 0 || since < USEC_PER_SEC)
		return;
	/* The last column stays free: some terminals wrap once it is written. */
	fprintf(ctl->err, "\r\033[K%.*s", (int)text_fit(safe.data, safe.len, ctl->term.width - 1),
		safe.data);
	fflush(ctl->err);
	p->has_line = true;
}

void progress_begin(struct progress *p, struct ctl *ctl)
{
	*p = (struct progress){.ctl = ctl, .start = usec_now(CLOCK_MONOTONIC)};
	if (!ctl->term.progress)
		return;
	ctl->client.on_tick = show;
	ctl->client.tick_userdata = p;
}

void progress_clear(struct progress *p)
{
	if (p->has_line)
		fputs("\r\033[K", p->ctl->err);
	p->has_line = false;
}

void progress_end(struct progress *p)
{
	progress_clear(p);
	p->ctl->client.on_tick = NULL;
}
