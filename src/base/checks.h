/*-------------------------------------------------------------------------
 *
 * checks.h
 *	  Whether the text of a setting can be meant, found out when it is set.
 *
 * What is wrong is left to the server as the detail and hint of its message.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_CHECKS_H
#define CDR_CHECKS_H

#include "utils/guc.h"

/* Check hooks: of a name at RabbitMQ, which may be empty or not, */
extern bool cdr_check_name(char **newval, void **extra, GucSource source);
extern bool
cdr_check_optional_name(char **newval, void **extra, GucSource source);

/* ... of a list of binding keys, */
extern bool
cdr_check_binding_keys(char **newval, void **extra, GucSource source);

/* ... of the name of a file, of a database, and of a role, or nothing. */
extern bool cdr_check_file(char **newval, void **extra, GucSource source);
extern bool cdr_check_database(char **newval, void **extra, GucSource source);
extern bool cdr_check_role(char **newval, void **extra, GucSource source);

/* ... of the first line of checkpoints, or nothing. */
extern bool cdr_check_origin(char **newval, void **extra, GucSource source);

#endif /* CDR_CHECKS_H */
