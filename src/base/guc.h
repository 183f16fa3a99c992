/*-------------------------------------------------------------------------
 *
 * guc.h
 *	  The settings, all of them "cdr_service.".
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_GUC_H
#define CDR_GUC_H

#include "base/options.h"

/* More workers than this have nothing to gain from one queue. */
#define CDR_WORKERS_MAX 32

/* the broker; the URIs as they were set, with their passwords */
extern const char *cdr_amqp_uri;

extern char *cdr_amqp_password_file;
extern char *cdr_tls_ca_file;
extern char *cdr_tls_cert_file;
extern char *cdr_tls_key_file;
extern int	 cdr_tls_verify;
extern char *cdr_exchange;
extern char *cdr_queue;
extern char *cdr_binding_keys;
extern int	 cdr_queue_type;
extern char *cdr_dead_letter_exchange;
extern int	 cdr_declare;
extern int	 cdr_prefetch;
extern int	 cdr_heartbeat; /* seconds */

/* the worker */
extern char *cdr_database;
extern int	 cdr_workers;
extern char *cdr_role;
extern bool	 cdr_paused;
extern int	 cdr_batch_size;
extern int	 cdr_batch_linger;	 /* milliseconds */
extern int	 cdr_alert_interval; /* seconds; 0: none */

/* events and tables */
extern int	cdr_max_event_size; /* bytes */
extern int	cdr_extension_digits;
extern int	cdr_partition_interval;
extern bool cdr_allow_drop;
extern int	cdr_retention_hour; /* -1: never */
extern bool cdr_retention_detach;

/* evidence */
extern bool	 cdr_evidence;
extern int	 cdr_seal_interval; /* seconds */
extern char *cdr_evidence_origin;
extern char *cdr_evidence_key_file;
extern int	 cdr_anchor_max_age; /* seconds; 0: a day, once there is one */

/* access */
extern bool cdr_log_reads;

extern void cdr_guc_define(void);

#endif /* CDR_GUC_H */
