/*-------------------------------------------------------------------------
 *
 * guc.c
 *	  The settings, as tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/guc.h"

#include "base/checks.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/masked_uri.h"
#include "base/message.h"
#include "base/refused.h"

const char *cdr_amqp_uri = "";
char	   *cdr_amqp_password_file;
char	   *cdr_tls_ca_file;
char	   *cdr_tls_cert_file;
char	   *cdr_tls_key_file;
int			cdr_tls_verify = CDR_TLS_VERIFY_FULL;
char	   *cdr_exchange;
char	   *cdr_queue;
char	   *cdr_binding_keys;
int			cdr_queue_type = CDR_QUEUE_CLASSIC;
char	   *cdr_dead_letter_exchange;
int			cdr_declare = CDR_DECLARE_MISSING;
int			cdr_prefetch = 4000;
int			cdr_heartbeat = 30;

char *cdr_database;
int	  cdr_workers = 1;
char *cdr_role;
bool  cdr_paused = false;
int	  cdr_batch_size = 2000;
int	  cdr_batch_linger = 5;
int	  cdr_alert_interval = 60;
bool  cdr_evidence = false;
bool  cdr_log_reads = false;
int	  cdr_seal_interval = 10;
char *cdr_evidence_origin = NULL;
char *cdr_evidence_key_file = NULL;
int	  cdr_anchor_max_age = 0;

int	 cdr_max_event_size = 1024 * 1024;
int	 cdr_extension_digits = 6;
int	 cdr_partition_interval = CDR_PARTITION_MONTH;
bool cdr_allow_drop = false;
int	 cdr_retention_hour = -1;
bool cdr_retention_detach = false;

static const struct config_enum_entry queue_types[] = {
	{"classic", CDR_QUEUE_CLASSIC, false},
	{"quorum", CDR_QUEUE_QUORUM, false},
	{NULL, 0, false}};

static const struct config_enum_entry tls_verify_modes[] = {
	{"full", CDR_TLS_VERIFY_FULL, false},
	{"ca", CDR_TLS_VERIFY_CA, false},
	{"none", CDR_TLS_VERIFY_NONE, false},
	{NULL, 0, false}};

static const struct config_enum_entry declare_modes[] = {
	{"missing", CDR_DECLARE_MISSING, false},
	{"never", CDR_DECLARE_NEVER, false},
	{NULL, 0, false}};

static const struct config_enum_entry partition_intervals[] = {
	{"day", CDR_PARTITION_DAY, false},
	{"week", CDR_PARTITION_WEEK, false},
	{"month", CDR_PARTITION_MONTH, false},
	{"none", CDR_PARTITION_NONE, false},
	{NULL, 0, false}};

static const struct
{
	const char		  *name;
	const char		  *description;
	char			 **variable;
	const char		  *value;
	GucContext		   context;
	int				   flags;
	GucStringCheckHook check;
} strings[] = {
	{"cdr_service.amqp_password_file",
	 "File that holds the RabbitMQ user's password.", &cdr_amqp_password_file,
	 "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, cdr_check_file},
	{"cdr_service.tls_ca_file",
	 "Certificates of the CAs that may sign a RabbitMQ server's certificate; "
	 "empty for the system's.",
	 &cdr_tls_ca_file, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, cdr_check_file},
	{"cdr_service.tls_cert_file",
	 "Certificate to show to RabbitMQ servers, with those that lead to its CA.",
	 &cdr_tls_cert_file, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, cdr_check_file},
	{"cdr_service.tls_key_file", "Private key of that certificate.",
	 &cdr_tls_key_file, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, cdr_check_file},
	{"cdr_service.exchange", "Exchange that the events are published to.",
	 &cdr_exchange, "sentiric_events", PGC_SIGHUP, 0, cdr_check_optional_name},
	{"cdr_service.queue", "Queue that the events are consumed from.",
	 &cdr_queue, "sentiric.cdr_service.events", PGC_SIGHUP, 0, cdr_check_name},
	{"cdr_service.binding_keys",
	 "Binding keys between exchange and queue, comma-separated.",
	 &cdr_binding_keys, "#", PGC_SIGHUP, 0, cdr_check_binding_keys},
	{"cdr_service.dead_letter_exchange",
	 "Dead-letter exchange of a queue that the service declares.",
	 &cdr_dead_letter_exchange, "", PGC_SIGHUP, 0, cdr_check_optional_name},
	{"cdr_service.database", "Database that holds the extension.",
	 &cdr_database, "postgres", PGC_POSTMASTER, 0, cdr_check_database},
	{"cdr_service.role",
	 "Role that the service writes as; empty for the owner of the table "
	 "calls.",
	 &cdr_role, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, cdr_check_role},
	{"cdr_service.evidence_origin",
	 "First line of checkpoints; empty for one made of the server's and the "
	 "database's numbers.",
	 &cdr_evidence_origin, "", PGC_SIGHUP, 0, cdr_check_origin},
	{"cdr_service.evidence_key_file",
	 "Private key of Ed25519 that signs checkpoints; empty for no signature.",
	 &cdr_evidence_key_file, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
	 cdr_check_file},
};

static const struct
{
	const char *name;
	const char *description;
	int		   *variable;
	int			minimum;
	int			maximum;
	GucContext	context;
	int			flags;
} integers[] = {
	{"cdr_service.workers", "Workers that consume from the queue.",
	 &cdr_workers, 1, CDR_WORKERS_MAX, PGC_POSTMASTER, 0},
	{"cdr_service.prefetch",
	 "Unacknowledged messages that the broker sends ahead to each worker.",
	 &cdr_prefetch, 1, 65535, PGC_SIGHUP, 0},
	{"cdr_service.heartbeat", "Interval between AMQP heartbeats.",
	 &cdr_heartbeat, 2, 600, PGC_SIGHUP, GUC_UNIT_S},
	{"cdr_service.batch_size", "Events written in one transaction, at most.",
	 &cdr_batch_size, 1, 10000, PGC_SIGHUP, 0},
	{"cdr_service.batch_linger",
	 "Time that an event may wait for others to share its transaction.",
	 &cdr_batch_linger, 0, 10000, PGC_SIGHUP, GUC_UNIT_MS},
	{"cdr_service.alert_interval",
	 "Time between evaluations of the alert rules by a worker; 0 for none.",
	 &cdr_alert_interval, 0, 86400, PGC_SIGHUP, GUC_UNIT_S},
	{"cdr_service.seal_interval", "Time between seals of what was recorded.",
	 &cdr_seal_interval, 1, 86400, PGC_SIGHUP, GUC_UNIT_S},
	{"cdr_service.retention_hour",
	 "Hour of the day at which the sealer applies retention; -1 for never.",
	 &cdr_retention_hour, -1, 23, PGC_SIGHUP, 0},
	{"cdr_service.anchor_max_age",
	 "Time that a checkpoint may be without an anchor before cdr_health warns; "
	 "0 for a day, once there is an anchor.",
	 &cdr_anchor_max_age, 0, 366 * 86400, PGC_SIGHUP, GUC_UNIT_S},
	{"cdr_service.max_event_size", "Size of the largest event that is read.",
	 &cdr_max_event_size, 1024, CDR_EVENT_SIZE_MAX, PGC_SIGHUP, GUC_UNIT_BYTE},
	{"cdr_service.extension_digits",
	 "Digits of the longest internal extension; longer numbers are outside.",
	 &cdr_extension_digits, 0, 15, PGC_SIGHUP, 0},
};

static const struct
{
	const char					   *name;
	const char					   *description;
	int							   *variable;
	const struct config_enum_entry *options;
	GucContext						context;
} enums[] = {
	{"cdr_service.tls_verify",
	 "What is verified of a RabbitMQ server's certificate.", &cdr_tls_verify,
	 tls_verify_modes, PGC_SIGHUP},
	{"cdr_service.queue_type", "Type of a queue that the service declares.",
	 &cdr_queue_type, queue_types, PGC_SIGHUP},
	{"cdr_service.declare",
	 "Whether a missing exchange, queue or binding is declared.", &cdr_declare,
	 declare_modes, PGC_SIGHUP},
	{"cdr_service.partition_interval",
	 "Time that one partition of call_events covers; none to make none.",
	 &cdr_partition_interval, partition_intervals, PGC_USERSET},
};

static const struct
{
	const char *name;
	const char *description;
	bool	   *variable;
	GucContext	context;
} booleans[] = {
	{"cdr_service.paused",
	 "Stops consumption; set and reset by cdr_pause() and cdr_resume().",
	 &cdr_paused, PGC_SIGHUP},
	{"cdr_service.allow_drop",
	 "Allows to drop tables of the extension while they hold rows.",
	 &cdr_allow_drop, PGC_USERSET},
	{"cdr_service.retention_detach",
	 "Whether retention leaves partitions detached, instead of dropping them.",
	 &cdr_retention_detach, PGC_SIGHUP},
	{"cdr_service.evidence",
	 "Whether events are put down for seals when they are recorded.",
	 &cdr_evidence, PGC_SUSET},
	{"cdr_service.log_reads",
	 "Whether it is recorded who reads calls and events by statements of his "
	 "own.",
	 &cdr_log_reads, PGC_SUSET},
};

/* ------------------------------------------------------------------------
 * amqp_uri, which may hold passwords
 *
 * The server keeps, and shows whoever may see it, a text in which they are
 * masked.  The real text is the setting's "extra" data.  A parallel worker is
 * handed the masked text and takes it for the real one; it never connects.
 * ------------------------------------------------------------------------
 */

/* what the server knows of it */
static char *shown_amqp_uri;

static void
warn_of_password(void)
{
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg("cdr_service.amqp_uri holds a password"),
			 errdetail("It is shown masked, but the server writes it to "
					   "its log when the setting changes."),
			 errhint("Write the password into a file, and the file's name "
					 "into cdr_service.amqp_password_file.")));
}

/*
 * The server's own messages would show the value, and may not be used: an
 * unsound one may hold a password at any place.
 */
static bool
refuse_amqp_uri(char *uris, char *shown, const CdrUriFault *fault)
{
	cdr_guc_free(uris);
	cdr_guc_free(shown);
	if (fault == NULL)
	{
		GUC_check_errcode(ERRCODE_OUT_OF_MEMORY);
		GUC_check_errmsg("out of memory");
		return false;
	}
	GUC_check_errmsg("invalid value for parameter \"cdr_service.amqp_uri\"");
	GUC_check_errdetail("URI %d %s", fault->number, fault->what);
	GUC_check_errhint("%s", fault->hint);
	return false;
}

static bool
check_amqp_uri(char **newval, void **extra, GucSource source)
{
	size_t		  length = strlen(*newval);
	char		 *uris = cdr_guc_malloc(LOG, length + 1);
	char		 *shown = cdr_guc_malloc(LOG, CDR_MASKED_URI_SIZE(length));
	CdrUriFault	  fault;
	CdrUriSecrecy secrecy;

	if (uris == NULL || shown == NULL)
		return refuse_amqp_uri(uris, shown, NULL);
	strcpy(uris, *newval);
	secrecy = cdr_masked_uri(uris, shown, &fault);
	if (secrecy == CDR_URI_UNSOUND)
		return refuse_amqp_uri(uris, shown, &fault);

	/* every process reads the files; one of them speaks, when it is news */
	if (secrecy == CDR_URI_MASKED && !IsUnderPostmaster &&
		strcmp(uris, cdr_amqp_uri) != 0)
		warn_of_password();
	cdr_guc_free(*newval);
	*newval = shown;
	*extra = uris;
	return true;
}

static void
assign_amqp_uri(const char *newval, void *extra)
{
	cdr_amqp_uri = extra;
}

/* ------------------------------------------------------------------------
 * To the server
 * ------------------------------------------------------------------------
 */

/*
 * A setting that takes a restart can only be defined while the server starts;
 * in a session that loads the library later it is there to be read.
 */
static GucContext
definable(GucContext context)
{
	if (context == PGC_POSTMASTER &&
		!process_shared_preload_libraries_in_progress)
		return PGC_SIGHUP;
	return context;
}

static void
define_amqp_uri(void)
{
	static const char name[] = "cdr_service.amqp_uri";
	char			 *text = cdr_refused_text(name);

	DefineCustomStringVariable(
		name,
		"RabbitMQ servers as amqps://user@host:port/vhost, comma-separated, "
		"tried in turn; amqp:// is without TLS.",
		NULL, &shown_amqp_uri, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
		check_amqp_uri, assign_amqp_uri, NULL);
	cdr_refused_note(name, text, false);
}

static void
define_string(int i)
{
	char *text = cdr_refused_text(strings[i].name);

	DefineCustomStringVariable(strings[i].name, strings[i].description, NULL,
							   strings[i].variable, strings[i].value,
							   definable(strings[i].context), strings[i].flags,
							   strings[i].check, NULL, NULL);
	cdr_refused_note(strings[i].name, text,
					 strings[i].context == PGC_POSTMASTER);
}

static void
define_integer(int i)
{
	char *text = cdr_refused_text(integers[i].name);

	DefineCustomIntVariable(
		integers[i].name, integers[i].description, NULL, integers[i].variable,
		*integers[i].variable, integers[i].minimum, integers[i].maximum,
		definable(integers[i].context), integers[i].flags, NULL, NULL, NULL);
	cdr_refused_note(integers[i].name, text,
					 integers[i].context == PGC_POSTMASTER);
}

static void
define_enum(int i)
{
	char *text = cdr_refused_text(enums[i].name);

	DefineCustomEnumVariable(enums[i].name, enums[i].description, NULL,
							 enums[i].variable, *enums[i].variable,
							 enums[i].options, enums[i].context, 0, NULL, NULL,
							 NULL);
	cdr_refused_note(enums[i].name, text, false);
}

static void
define_boolean(int i)
{
	char *text = cdr_refused_text(booleans[i].name);

	DefineCustomBoolVariable(booleans[i].name, booleans[i].description, NULL,
							 booleans[i].variable, *booleans[i].variable,
							 booleans[i].context, 0, NULL, NULL, NULL);
	cdr_refused_note(booleans[i].name, text, false);
}

void
cdr_guc_define(void)
{
	define_amqp_uri();
	for (int i = 0; i < (int) lengthof(strings); i++)
		define_string(i);
	for (int i = 0; i < (int) lengthof(integers); i++)
		define_integer(i);
	for (int i = 0; i < (int) lengthof(enums); i++)
		define_enum(i);
	for (int i = 0; i < (int) lengthof(booleans); i++)
		define_boolean(i);
	MarkGUCPrefixReserved("cdr_service");
}
