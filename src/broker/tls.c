/*-------------------------------------------------------------------------
 *
 * tls.c
 *	  TLS over a connection that never blocks.
 *
 * OpenSSL is used as it is meant to be with non-blocking sockets: each call
 * does what it can and says what it waits for, and all waiting is done in
 * socket.c.  librabbitmq's own TLS socket is not used: it shakes hands without
 * any limit, deaf to signals, knows no addresses in certificates, accepts
 * TLS 1.0, and changes state of the whole process, in which the server itself
 * uses OpenSSL.  Nothing here touches such state.  The queue of errors, which
 * is the process's, is emptied before each call and read after it.
 *
 * Certificates and key are read anew for each connection, so that they can be
 * exchanged at any time.  The memory of a connection is OpenSSL's own, freed
 * by cdr_tls_free().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/reason.h"
#include "base/secret.h"
#include "broker/tls.h"

/* Bytes of the largest key file that is read. */
#define KEY_FILE_MAX (32 * 1024)

struct CdrTls
{
	const CdrBrokerSettings *settings;
	SSL_CTX					*context;
	SSL						*ssl;
	bool broken; /* after which OpenSSL does not want to be called */
};

/* ------------------------------------------------------------------------
 * Errors
 * ------------------------------------------------------------------------
 */

/* What OpenSSL calls one of its errors. */
static const char *
reason_of(unsigned long code)
{
	const char *reason = NULL;

	if (code != 0)
		reason = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code))
										: ERR_reason_error_string(code);
	return reason != NULL ? reason : "unknown error";
}

/* Notes that a file is of no use, with the first of OpenSSL's reasons. */
static bool
fail_file(CdrReasonBuffer *reason, const char *what, const char *path)
{
	return cdr_fail(reason, ERRCODE_CONFIG_FILE_ERROR,
					"could not load %s \"%s\": %s", what, path,
					reason_of(ERR_get_error()));
}

/* Notes why the server's certificate is not trusted. */
static void
explain_certificate(long result, const CdrBrokerSettings *settings,
					CdrReasonBuffer *reason)
{
	switch (result)
	{
		case X509_V_ERR_HOSTNAME_MISMATCH:
		case X509_V_ERR_IP_ADDRESS_MISMATCH:
			cdr_fail(
				reason, ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
				"server's certificate is for another host than the one in "
				"cdr_service.amqp_uri");
			break;
		case X509_V_ERR_CERT_HAS_EXPIRED:
			cdr_fail(reason,
					 ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
					 "server's certificate has expired");
			break;
		case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
		case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
		case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
			cdr_fail(reason,
					 ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
					 "server's certificate is not signed by a CA of %s (%s)",
					 settings->tls_ca_file[0] != '\0'
						 ? "cdr_service.tls_ca_file"
						 : "the system's, and "
						   "cdr_service.tls_ca_file is not "
						   "set",
					 X509_verify_cert_error_string(result));
			break;
		default:
			cdr_fail(reason,
					 ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
					 "server's certificate is not valid: %s",
					 X509_verify_cert_error_string(result));
	}
}

/* Notes what an error of the protocol means to whoever set the server up. */
static void
explain_protocol(const CdrTls *tls, unsigned long code,
				 CdrReasonBuffer *reason)
{
	switch (ERR_GET_REASON(code))
	{
		case SSL_R_CERTIFICATE_VERIFY_FAILED:
			explain_certificate(SSL_get_verify_result(tls->ssl), tls->settings,
								reason);
			break;
		case SSL_R_WRONG_VERSION_NUMBER:
			cdr_fail(reason,
					 ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
					 "server does not speak TLS on this port: amqps:// in "
					 "cdr_service.amqp_uri needs its TLS port");
			break;
		case SSL_R_UNSUPPORTED_PROTOCOL:
		case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
			cdr_fail(reason,
					 ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
					 "server does not speak TLS 1.2 or newer");
			break;
		case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
		case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
		case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
		case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
		case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
		case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
		case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
		case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
			cdr_fail(
				reason, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
				"server refused the certificate of cdr_service.tls_cert_file,"
				" or that there is none: %s",
				reason_of(code));
			break;
		case SSL_R_UNEXPECTED_EOF_WHILE_READING:
			cdr_fail(reason, ERRCODE_CONNECTION_FAILURE,
					 "server closed the connection");
			break;
		default:
			cdr_fail(reason, ERRCODE_CONNECTION_FAILURE, "TLS failed: %s",
					 reason_of(code));
	}
}

/*
 * Notes why a call of OpenSSL that returned result failed.  Or, if it only
 * has to wait, returns the socket events to wait for; else 0.
 */
static uint32
explain(CdrTls *tls, int result, int saved_errno, CdrReasonBuffer *reason)
{
	switch (SSL_get_error(tls->ssl, result))
	{
		case SSL_ERROR_WANT_READ:
			return WL_SOCKET_READABLE;
		case SSL_ERROR_WANT_WRITE:
			return WL_SOCKET_WRITEABLE;
		case SSL_ERROR_SSL:
			tls->broken = true;
			explain_protocol(tls, ERR_get_error(), reason);
			break;
		case SSL_ERROR_SYSCALL:
			tls->broken = true;
			cdr_fail(reason, ERRCODE_CONNECTION_FAILURE, "%s",
					 saved_errno != 0 ? strerror(saved_errno)
									  : "server closed the connection");
			break;
		default: /* SSL_ERROR_ZERO_RETURN */
			cdr_fail(reason, ERRCODE_CONNECTION_FAILURE,
					 "server closed the connection");
	}
	ERR_clear_error();
	return 0;
}

/* ------------------------------------------------------------------------
 * What the settings say
 * ------------------------------------------------------------------------
 */

/* Nobody is there to be asked for a passphrase; *asked: that it was wanted. */
static int
no_passphrase(char *buffer, int size, int for_writing, void *asked)
{
	(void) buffer;
	(void) size;
	(void) for_writing;
	if (asked != NULL)
		*(bool *) asked = true;
	return -1;
}

static bool
load_key(SSL_CTX *context, const CdrBrokerSettings *settings,
		 CdrReasonBuffer *reason)
{
	char	 *text = palloc(KEY_FILE_MAX);
	ssize_t	  length = cdr_secret_read(settings->tls_key_file, "TLS key file",
									   text, KEY_FILE_MAX, reason);
	BIO		 *bio;
	EVP_PKEY *key;
	bool	  asked = false;
	bool	  loaded;

	if (length < 0)
		return false;
	bio = BIO_new_mem_buf(text, (int) length);
	key = bio != NULL
			  ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked)
			  : NULL;
	loaded = key != NULL && SSL_CTX_use_PrivateKey(context, key) == 1;
	EVP_PKEY_free(key);
	BIO_free(bio);
	explicit_bzero(text, KEY_FILE_MAX);
	pfree(text);
	if (loaded)
		return true;
	if (asked)
		return cdr_fail(
			reason, ERRCODE_CONFIG_FILE_ERROR,
			"TLS key file \"%s\" is protected by a passphrase, which "
			"nobody can be asked for",
			settings->tls_key_file);
	if (ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_X509)
		return cdr_fail(reason, ERRCODE_CONFIG_FILE_ERROR,
						"TLS key file \"%s\" does not hold the key of the "
						"certificate in \"%s\"",
						settings->tls_key_file, settings->tls_cert_file);
	return fail_file(reason, "TLS key file", settings->tls_key_file);
}

/*
 * Nothing else than a regular file is opened for OpenSSL, which would wait for who
 * writes into a FIFO, and serve no interrupt meanwhile.
 */
static bool
is_regular_file(const char *what, const char *path, CdrReasonBuffer *reason)
{
	struct stat st;

	/* what is not there at all, OpenSSL tells */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return cdr_fail(reason, ERRCODE_CONFIG_FILE_ERROR,
						"%s \"%s\" is not a regular file", what, path);
	return true;
}

/* Our own certificate, if there is one. */
static bool
load_certificate(SSL_CTX *context, const CdrBrokerSettings *settings,
				 CdrReasonBuffer *reason)
{
	if (settings->tls_cert_file[0] == '\0' &&
		settings->tls_key_file[0] == '\0')
		return true;
	if (settings->tls_cert_file[0] == '\0' ||
		settings->tls_key_file[0] == '\0')
		return cdr_fail(
			reason, ERRCODE_CONFIG_FILE_ERROR,
			"cdr_service.tls_cert_file and cdr_service.tls_key_file "
			"must be set together");
	SSL_CTX_set_default_passwd_cb(context, no_passphrase);
	if (!is_regular_file("TLS certificate file", settings->tls_cert_file,
						 reason))
		return false;
	if (SSL_CTX_use_certificate_chain_file(context, settings->tls_cert_file) !=
		1)
		return fail_file(reason, "TLS certificate file",
						 settings->tls_cert_file);
	return load_key(context, settings, reason);
}

/* Whom to trust. */
static bool
load_authorities(SSL_CTX *context, const CdrBrokerSettings *settings,
				 CdrReasonBuffer *reason)
{
	if (settings->tls_verify == CDR_TLS_VERIFY_NONE)
	{
		SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
		return true;
	}
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	if (settings->tls_ca_file[0] != '\0')
	{
		if (!is_regular_file("TLS CA file", settings->tls_ca_file, reason))
			return false;
		if (SSL_CTX_load_verify_locations(context, settings->tls_ca_file,
										  NULL) != 1)
			return fail_file(reason, "TLS CA file", settings->tls_ca_file);
	}
	else if (SSL_CTX_set_default_verify_paths(context) != 1)
		return cdr_fail(reason, ERRCODE_CONFIG_FILE_ERROR,
						"the system has no CA certificates; set "
						"cdr_service.tls_ca_file");
	return true;
}

/* Whose certificate it must be: a name's, or an address's. */
static bool
expect_host(SSL *ssl, const char *host, int verify)
{
	unsigned char address[sizeof(struct in6_addr)];
	bool		  numeric = inet_pton(AF_INET, host, address) == 1 ||
				   inet_pton(AF_INET6, host, address) == 1;

	/* a server may have several certificates */
	if (!numeric && SSL_set_tlsext_host_name(ssl, host) != 1)
		return false;
	if (verify != CDR_TLS_VERIFY_FULL)
		return true;
	if (numeric)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, host) == 1;
}

/* ------------------------------------------------------------------------
 * The connection
 * ------------------------------------------------------------------------
 */

static bool
tls_prepare(CdrTls *tls, CdrSocket *socket, const char *host,
			CdrReasonBuffer *reason)
{
	ERR_clear_error();
	tls->context = SSL_CTX_new(TLS_client_method());
	if (tls->context == NULL ||
		SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) != 1)
		return cdr_fail(reason, ERRCODE_OUT_OF_MEMORY,
						"could not start TLS: %s", reason_of(ERR_get_error()));
	/* a write that is tried again comes from another place in our buffer */
	SSL_CTX_set_mode(tls->context, SSL_MODE_ENABLE_PARTIAL_WRITE |
									   SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* several records with one call of the kernel */
	SSL_CTX_set_read_ahead(tls->context, 1);
	SSL_CTX_set_default_read_buffer_len(tls->context, 64 * 1024);
	if (!load_authorities(tls->context, tls->settings, reason) ||
		!load_certificate(tls->context, tls->settings, reason))
		return false;

	tls->ssl = SSL_new(tls->context);
	if (tls->ssl == NULL || SSL_set_fd(tls->ssl, socket->fd) != 1 ||
		!expect_host(tls->ssl, host, tls->settings->tls_verify))
		return cdr_fail(reason, ERRCODE_OUT_OF_MEMORY,
						"could not start TLS: %s", reason_of(ERR_get_error()));
	return true;
}

static bool
shake_hands(CdrTls *tls, CdrSocket *socket, long timeout,
			CdrReasonBuffer *reason)
{
	CdrMoment deadline = cdr_after(timeout);

	for (;;)
	{
		int	   result;
		uint32 wanted;
		long   left;

		ERR_clear_error();
		errno = 0;
		result = SSL_connect(tls->ssl);
		if (result == 1)
			return true;
		wanted = explain(tls, result, errno, reason);
		if (wanted == 0)
			break;
		left = cdr_milliseconds_until(deadline);
		if (left <= 0)
			return cdr_fail(
				reason, ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
				"server does not answer the TLS handshake");
		(void) cdr_socket_wait(socket, wanted, left);
	}
	/* there never was a connection that could break */
	if (reason->reason.sqlerrcode == ERRCODE_CONNECTION_FAILURE)
		reason->reason.sqlerrcode =
			ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION;
	return false;
}

CdrTls *
cdr_tls_connect(MemoryContext context, const CdrBrokerSettings *settings,
				CdrSocket *socket, const char *host, long timeout,
				CdrReasonBuffer *reason)
{
	CdrTls		 *tls = MemoryContextAllocZero(context, sizeof(CdrTls));
	volatile bool connected = false;

	tls->settings = settings;
	PG_TRY();
	{
		connected = tls_prepare(tls, socket, host, reason) &&
					shake_hands(tls, socket, timeout, reason);
	}
	PG_FINALLY();
	{
		if (!connected)
			cdr_tls_free(tls, false);
	}
	PG_END_TRY();
	return connected ? tls : NULL;
}

ssize_t
cdr_tls_read(CdrTls *tls, void *buffer, size_t size, uint32 *wanted,
			 CdrReasonBuffer *reason)
{
	int result;

	ERR_clear_error();
	errno = 0;
	result = SSL_read(tls->ssl, buffer, (int) Min(size, INT_MAX));
	if (result > 0)
		return result;
	*wanted = explain(tls, result, errno, reason);
	return *wanted != 0 ? 0 : -1;
}

ssize_t
cdr_tls_write(CdrTls *tls, const void *buffer, size_t size, uint32 *wanted,
			  CdrReasonBuffer *reason)
{
	int				result;
	char			unread;
	uint32			ignored;
	CdrReasonBuffer said;

	ERR_clear_error();
	errno = 0;
	result = SSL_write(tls->ssl, buffer, (int) Min(size, INT_MAX));
	if (result > 0)
		return result;
	*wanted = explain(tls, result, errno, reason);
	if (*wanted != 0)
		return 0;

	/* a server that does not like our certificate says so before it closes */
	if (cdr_tls_read(tls, &unread, sizeof(unread), &ignored, &said) < 0 &&
		said.reason.sqlerrcode == ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION)
		cdr_fail(reason, said.reason.sqlerrcode, "%s", said.message);
	return -1;
}

void
cdr_tls_free(CdrTls *tls, bool politely)
{
	ERR_clear_error();
	if (politely && !tls->broken)
		(void) SSL_shutdown(tls->ssl);
	SSL_free(tls->ssl);
	SSL_CTX_free(tls->context);
	ERR_clear_error();
	pfree(tls);
}
