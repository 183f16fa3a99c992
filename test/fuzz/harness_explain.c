/*-------------------------------------------------------------------------
 *
 * harness_explain.c
 *	  What is told of an event: it is the same event with notes, and what is
 *	  told is bounded text.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "mb/pg_wchar.h"

#include "event/explain.h"
#include "event/unread.h"
#include "harness.h"
#include "promise.h"

/* Rows of one event. */
typedef struct Told
{
	int rows;
	int unread;
} Told;

/* The most that an event has, beside what a mapping notes: columns, and asked. */
#define ROWS_MAX 64

static void
check_told(const char *text)
{
	PROMISE(text == NULL ||
			pg_encoding_verifymbstr(PG_UTF8, text, (int) strlen(text)) ==
				(int) strlen(text));
}

static void
take_row(void *state, const CdrExplained *row)
{
	Told *told = state;
	bool  is_unread = strcmp(row->part, "not read") == 0;

	told->rows++;
	told->unread += is_unread;
	check_told(row->column);
	check_told(row->value);
	check_told(row->source);
	check_told(row->note);
	PROMISE(row->value == NULL || row->time == CDR_NO_TIME);
	PROMISE(!is_unread || row->value == NULL ||
			strlen(row->value) <= CDR_UNREAD_EXCERPT + strlen("..."));
}

void
harness_explain(const CdrMessage *message, const CdrEventOptions *options,
				const CdrEvent *event)
{
	CdrEventOptions noted = *options;
	Told			told = {0};
	CdrExplainer	explainer = {take_row, &told};
	CdrNotes		notes;
	CdrEvent		again;

	cdr_explain_begin(&notes, &noted);
	PROMISE(cdr_event_parse(message, &noted, &again) ==
			(event->reason == NULL));
	PROMISE((again.reason == NULL) == (event->reason == NULL));
	PROMISE(memcmp(again.id.data, event->id.data, UUID_LEN) == 0);
	PROMISE(again.time == event->time && again.mapping == event->mapping);
	harness_same_facts(&again, event);
	cdr_explain(&again, &notes, false, &explainer);
	PROMISE(told.unread <= CDR_EXPLAIN_UNREAD_MAX + 1);
	PROMISE(told.rows >= 1 &&
			told.rows - told.unread <= ROWS_MAX + notes.nmapped);
}
