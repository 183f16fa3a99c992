/*-------------------------------------------------------------------------
 *
 * options.h
 *	  What a setting can be that is one of a few words.
 *
 * Apart from guc.h, for those who are handed settings and do not read them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_OPTIONS_H
#define CDR_OPTIONS_H

/* What stands between the keys of cdr_service.binding_keys: any number. */
#define CDR_KEY_SEPARATORS ", "

/* Of the first line of a checkpoint, without the number at its end. */
#define CDR_ORIGIN_MAX 200

typedef enum CdrQueueType
{
	CDR_QUEUE_CLASSIC,
	CDR_QUEUE_QUORUM
} CdrQueueType;

typedef enum CdrDeclare
{
	CDR_DECLARE_MISSING,
	CDR_DECLARE_NEVER
} CdrDeclare;

typedef enum CdrTlsVerify
{
	CDR_TLS_VERIFY_NONE,
	CDR_TLS_VERIFY_CA, /* the certificate, but not whose it is */
	CDR_TLS_VERIFY_FULL
} CdrTlsVerify;

typedef enum CdrPartitionInterval
{
	CDR_PARTITION_DAY,
	CDR_PARTITION_WEEK,
	CDR_PARTITION_MONTH,
	CDR_PARTITION_NONE /* made by somebody else */
} CdrPartitionInterval;

#endif /* CDR_OPTIONS_H */
