/*-------------------------------------------------------------------------
 *
 * seal_log.c
 *	  The log of seals: which one is written, and its checkpoints.
 *
 * How long the log is, the last checkpoint says.  Where somebody cut off the log
 * after it, its next entry goes where it belongs, and the gap shows.
 *
 * A log goes on only where it was written before.  Of one that was brought
 * somewhere else there may be two from then on, and of one that was brought back
 * to an earlier state, two ends: so there another log begins, with another number,
 * whose first entry says which one it continues, and from where.  This is so after a
 * promotion and a recovery to a point in time (another timeline), after an upgrade
 * and where a dump is restored (another server, database or table), where a
 * database serves as a template, where the origin is set anew, and where older rows
 * are brought back into the same tables (seal_mark.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "base/guc.h"
#include "base/secret.h"
#include "evidence/signature.h"
#include "store/recording.h"
#include "store/seal_log.h"

/* The last checkpoint; no row: there is none. */
#define FIND_LAST                                                                      \
	"SELECT log, size, peaks, place, split_part(note, E'\\n', 1),"                     \
	" translate(encode(root, 'base64'), E'\\n', ''), taken_at FROM %s.cdr_checkpoints" \
	" ORDER BY log DESC, size DESC LIMIT 1"

/* Bytes of a key in PEM; one of Ed25519 has 119. */
#define KEY_FILE_MAX 4096

/* The root of no entries. */
#define EMPTY_ROOT "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

/* $1: the log; $2: the place; $3: the entry. */
#define ADD_ENTRY                                            \
	"INSERT INTO %s.cdr_log (log, log_index, entry) VALUES " \
	"($1, $2, $3)"

/* $1: the log; $2: what it had before; $3: the peaks of its tree. */
#define GROW_TREE                                                       \
	"SELECT $2 + n, peaks, root, encode(root, 'base64')"                \
	" FROM (SELECT count(*) AS n, %1$s.cdr_tree_peaks($3, $2,"          \
	" array_agg(sha256(E'\\\\x00'::bytea || convert_to(entry, 'UTF8'))" \
	" ORDER BY log_index)) AS peaks FROM %1$s.cdr_log"                  \
	" WHERE log = $1 AND log_index >= $2) AS grown,"                    \
	" LATERAL (SELECT %1$s.cdr_peaks_root(peaks) AS root) AS rooted"

#define TAKE_CHECKPOINT                                   \
	"INSERT INTO %1$s.cdr_checkpoints"                    \
	" (log, size, peaks, root, note, place, taken_at)"    \
	" VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp())" \
	" RETURNING pg_notify('cdr_checkpoint', note)"

static void
run_on_log(const char *sql, int nargs, Oid *types, Datum *values, int expected)
{
	int result =
		SPI_execute_with_args(sql, nargs, types, values, NULL, false, 0);

	if (result != expected)
		elog(ERROR, "SPI_execute_with_args failed: %s",
			 SPI_result_code_string(result));
}

static Datum
field_of_log(int column)
{
	bool isnull;

	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column,
						 &isnull);
}

static char *
text_of_log(int column)
{
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column);
}

static const char *
origin_of_log(const char *base, int number)
{
	return psprintf("%s/%d", base, number);
}

/* Does the file tell of more than the tables do? */
static bool
is_ahead(const CdrSealMark *mark, const CdrSealLog *log, const char *root)
{
	if (mark->number == 0 || strcmp(mark->base, log->base) != 0)
		return false;
	if (mark->number != log->number)
		return mark->number > log->number;
	if (mark->size != log->size)
		return mark->size > log->size;
	return strcmp(mark->root, root) != 0;
}

/* Begins another log, after all those of whose numbers there is a trace. */
static void
begin_log(CdrSealLog *log, const char *continued, int64 size, const char *root,
		  int highest)
{
	/* a backup that is restored twice comes onto two timelines */
	log->number = Max(Max(log->number, highest) + 1,
					  (int) Min(GetWALInsertionTimeLine(), PG_INT32_MAX));
	log->size = 0;
	log->peaks = PointerGetDatum(construct_empty_array(BYTEAOID));
	log->first[log->nfirst++] = psprintf(
		"cdr-continues-v1\n%s\n" INT64_FORMAT "\n%s\n", continued, size, root);
}

/* As texts of evidence have it, in UTC. */
static char *
time_of_log(TimestampTz time)
{
	struct pg_tm tm;
	fsec_t		 fraction;

	if (timestamp2tm(time, NULL, &tm, &fraction, NULL, NULL) != 0)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("timestamp out of range")));
	return psprintf("%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm.tm_year,
					tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
					(int) fraction);
}

/*
 * Adds an entry if the clock was set back: as whoever recorded has noticed, or
 * while the server was down.
 */
static void
look_at_clock(CdrSealLog *log, TimestampTz taken_at)
{
	TimestampTz from;
	TimestampTz to;

	if (cdr_recording_set_back(&from, &to))
	{
		if (cdr_seal_mark_tells(to))
			return;
		log->told = to;
	}
	else
	{
		from = taken_at;
		to = GetCurrentTimestamp();
		if (from <= to || from - to <= CDR_SET_BACK)
			return;
	}
	log->first[log->nfirst++] =
		psprintf("cdr-clock-v1\n%s\n%s\n", time_of_log(from), time_of_log(to));
}

void
cdr_seal_log_find(const CdrTables *tables, CdrSealLog *log)
{
	CdrSealMark mark;
	int			highest;
	const char *root = EMPTY_ROOT;
	const char *origin;
	TimestampTz taken_at;
	Oid			table;

	memset(log, 0, sizeof(CdrSealLog));
	table = get_relname_relid("cdr_checkpoints", tables->schema);
	if (cdr_evidence_origin[0] != '\0')
		strlcpy(log->base, cdr_evidence_origin, sizeof(log->base));
	else
		snprintf(log->base, sizeof(log->base),
				 "cdr_service/" UINT64_FORMAT "/%u/%u", GetSystemIdentifier(),
				 MyDatabaseId, table);
	log->place = psprintf(UINT64_FORMAT "/%u/%u/%u", GetSystemIdentifier(),
						  GetWALInsertionTimeLine(), MyDatabaseId, table);
	highest = cdr_seal_mark_read(log->base, &mark);

	run_on_log(psprintf(FIND_LAST, tables->quoted), 0, NULL, NULL,
			   SPI_OK_SELECT);
	if (SPI_processed == 0)
	{
		/* the first one; or what there was is gone */
		if (highest > 0)
			begin_log(log, origin_of_log(log->base, highest), 0, root,
					  highest);
		else
		{
			log->number = 1;
			log->peaks = PointerGetDatum(construct_empty_array(BYTEAOID));
		}
		look_at_clock(log, DT_NOBEGIN);
		return;
	}
	taken_at = DatumGetTimestampTz(field_of_log(7));
	log->number = DatumGetInt32(field_of_log(1));
	log->size = DatumGetInt64(field_of_log(2));
	log->peaks = field_of_log(3);
	origin = text_of_log(5);
	root = text_of_log(6);
	if (strcmp(text_of_log(4), log->place) != 0 ||
		strcmp(origin, origin_of_log(log->base, log->number)) != 0 ||
		is_ahead(&mark, log, root))
		begin_log(log, origin, log->size, root, highest);
	look_at_clock(log, taken_at);
}

static void
add_first_entries(const CdrTables *tables, const CdrSealLog *log)
{
	Oid types[3] = {INT4OID, INT8OID, TEXTOID};

	for (int i = 0; i < log->nfirst; i++)
	{
		Datum values[3] = {Int32GetDatum(log->number),
						   Int64GetDatum(log->size + i),
						   CStringGetTextDatum(log->first[i])};

		run_on_log(psprintf(ADD_ENTRY, tables->quoted), 3, types, values,
				   SPI_OK_INSERT);
	}
}

/*
 * The text of a checkpoint: signed, if there is a key for it.  Where that cannot be
 * read, no checkpoint is taken, and events wait: one without its signature would
 * look as if it were somebody else's.
 */
static Datum
note_of_checkpoint(const char *origin, int64 size, const char *root)
{
	char   *text = psprintf("%s\n" INT64_FORMAT "\n%s\n", origin, size, root);
	char	pem[KEY_FILE_MAX];
	char   *line = palloc(CDR_SIGNATURE_SIZE(origin));
	bool	is_signed;
	ssize_t length;
	CdrReasonBuffer why;

	if (cdr_evidence_key_file[0] == '\0')
		return CStringGetTextDatum(text);
	length = cdr_secret_read(cdr_evidence_key_file, "key file", pem,
							 sizeof(pem), &why);
	if (length < 0)
		cdr_throw(&why.reason);
	is_signed = cdr_sign(text, origin, pem, length, line, &why);
	explicit_bzero(pem, sizeof(pem));
	if (!is_signed)
		ereport(ERROR,
				(errcode(why.reason.sqlerrcode),
				 errmsg("could not sign a checkpoint with key file \"%s\": %s",
						cdr_evidence_key_file, why.message)));
	return CStringGetTextDatum(psprintf("%s\n%s", text, line));
}

void
cdr_seal_log_close(const CdrTables *tables, const CdrSealLog *log)
{
	Oid	  types[6] = {INT4OID,	INT8OID, BYTEAARRAYOID,
					  BYTEAOID, TEXTOID, TEXTOID};
	Datum values[6] = {Int32GetDatum(log->number), Int64GetDatum(log->size),
					   log->peaks};
	CdrSealMark mark = {.number = log->number};

	add_first_entries(tables, log);
	run_on_log(psprintf(GROW_TREE, tables->quoted), 3, types, values,
			   SPI_OK_SELECT);
	mark.size = DatumGetInt64(field_of_log(1));
	strlcpy(mark.root, text_of_log(4), sizeof(mark.root));
	strlcpy(mark.base, log->base, sizeof(mark.base));
	values[1] = Int64GetDatum(mark.size);
	values[2] = field_of_log(2);
	values[3] = field_of_log(3);
	values[4] = note_of_checkpoint(origin_of_log(log->base, log->number),
								   mark.size, mark.root);
	values[5] = CStringGetTextDatum(log->place);
	run_on_log(psprintf(TAKE_CHECKPOINT, tables->quoted), 6, types, values,
			   SPI_OK_INSERT_RETURNING);
	cdr_seal_mark_write(&mark, log->told);
}
