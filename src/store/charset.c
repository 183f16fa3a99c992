/*-------------------------------------------------------------------------
 *
 * charset.c
 *	  The server's conversions of character sets, without a transaction.
 *
 * A worker reads events outside of a transaction, where the catalog, and so
 * pg_do_encoding_conversion(), cannot be asked.  The functions that it would find
 * there are in libraries of the server's, and need no more than their arguments.
 * They are called by name: so nobody who creates a default conversion of his own
 * has it run by a worker either.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"

#include "store/charset.h"

/* Names of IANA's, and of Windows, that the server does not know. */
static const struct
{
	const char *name;
	int			encoding;
} aliases[] = {
	{"cp1250", PG_WIN1250},		{"cp1251", PG_WIN1251},
	{"cp1252", PG_WIN1252},		{"cp1253", PG_WIN1253},
	{"cp1254", PG_WIN1254},		{"cp1255", PG_WIN1255},
	{"cp1256", PG_WIN1256},		{"cp1257", PG_WIN1257},
	{"cp1258", PG_WIN1258},		{"cp866", PG_WIN866},
	{"ibm866", PG_WIN866},		{"cp874", PG_WIN874},
	{"tis-620", PG_WIN874},		{"iso-8859-11", PG_WIN874},
	{"gb2312", PG_GBK},			{"cp936", PG_GBK},
	{"euc-kr", PG_UHC},			{"ks_c_5601-1987", PG_UHC},
	{"cp949", PG_UHC},			{"cp950", PG_BIG5},
	{"cp932", PG_SJIS},			{"windows-31j", PG_SJIS},
	{"iso-8859-15", PG_LATIN9},
};

static int
encoding_of(const char *charset)
{
	for (int i = 0; i < (int) lengthof(aliases); i++)
	{
		if (pg_strcasecmp(aliases[i].name, charset) == 0)
			return aliases[i].encoding;
	}
	return pg_char_to_encoding(charset);
}

/* Where the conversion of an encoding to UTF-8 is. */
static const struct
{
	int			first; /* encodings from here */
	int			last;  /* to here */
	const char *library;
	const char *function;
} conversions[] = {
	{PG_EUC_JP, PG_EUC_JP, "utf8_and_euc_jp", "euc_jp_to_utf8"},
	{PG_EUC_CN, PG_EUC_CN, "utf8_and_euc_cn", "euc_cn_to_utf8"},
	{PG_EUC_KR, PG_EUC_KR, "utf8_and_euc_kr", "euc_kr_to_utf8"},
	{PG_EUC_TW, PG_EUC_TW, "utf8_and_euc_tw", "euc_tw_to_utf8"},
	{PG_EUC_JIS_2004, PG_EUC_JIS_2004, "utf8_and_euc2004",
	 "euc_jis_2004_to_utf8"},
	{PG_LATIN2, PG_LATIN10, "utf8_and_iso8859", "iso8859_to_utf8"},
	{PG_ISO_8859_5, PG_ISO_8859_8, "utf8_and_iso8859", "iso8859_to_utf8"},
	{PG_KOI8R, PG_KOI8R, "utf8_and_cyrillic", "koi8r_to_utf8"},
	{PG_KOI8U, PG_KOI8U, "utf8_and_cyrillic", "koi8u_to_utf8"},
	{PG_WIN1256, PG_WIN874, "utf8_and_win", "win_to_utf8"},
	{PG_WIN1251, PG_WIN1252, "utf8_and_win", "win_to_utf8"},
	{PG_WIN1250, PG_WIN1257, "utf8_and_win", "win_to_utf8"},
	{PG_SJIS, PG_SJIS, "utf8_and_sjis", "sjis_to_utf8"},
	{PG_SHIFT_JIS_2004, PG_SHIFT_JIS_2004, "utf8_and_sjis2004",
	 "shift_jis_2004_to_utf8"},
	{PG_BIG5, PG_BIG5, "utf8_and_big5", "big5_to_utf8"},
	{PG_GBK, PG_GBK, "utf8_and_gbk", "gbk_to_utf8"},
	{PG_UHC, PG_UHC, "utf8_and_uhc", "uhc_to_utf8"},
	{PG_GB18030, PG_GB18030, "utf8_and_gb18030", "gb18030_to_utf8"},
	{PG_JOHAB, PG_JOHAB, "utf8_and_johab", "johab_to_utf8"},
};

/* The function, or NULL where the server was built without it. */
static PGFunction
load(int number)
{
	MemoryContext context = CurrentMemoryContext;
	char		 *path = psprintf("$libdir/%s", conversions[number].library);
	volatile PGFunction function = NULL;

	PG_TRY();
	{
		function = load_external_function(path, conversions[number].function,
										  false, NULL);
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		if (error->sqlerrcode != ERRCODE_UNDEFINED_FILE)
			ReThrowError(error);
		FreeErrorData(error);
	}
	PG_END_TRY();
	pfree(path);
	return function;
}

static PGFunction
conversion_of(int encoding)
{
	static PGFunction loaded[lengthof(conversions)];

	for (int i = 0; i < (int) lengthof(conversions); i++)
	{
		if (encoding < conversions[i].first || encoding > conversions[i].last)
			continue;
		if (loaded[i] == NULL)
			loaded[i] = load(i);
		return loaded[i];
	}
	return NULL;
}

CdrConversion
cdr_server_convert(const char *charset, const char *text, size_t length,
				   char **utf8, size_t *utf8_length)
{
	int		   encoding = encoding_of(charset);
	PGFunction convert = encoding < 0 ? NULL : conversion_of(encoding);
	char	  *result;
	int32	   converted;

	if (convert == NULL)
		return CDR_CHARSET_UNKNOWN;
	if (pg_encoding_verifymbstr(encoding, text, (int) length) != (int) length)
		return CDR_NOT_IN_CHARSET;
	result = palloc(length * MAX_CONVERSION_GROWTH + 1);
	/* the last says that it is not to throw, but to return how far it went */
	converted = DatumGetInt32(DirectFunctionCall6(
		convert, Int32GetDatum(encoding), Int32GetDatum(PG_UTF8),
		CStringGetDatum(text), CStringGetDatum(result),
		Int32GetDatum((int32) length), BoolGetDatum(true)));
	if (converted != (int32) length)
	{
		pfree(result);
		return CDR_NOT_IN_UTF8;
	}
	*utf8 = result;
	*utf8_length = strlen(result);
	return CDR_CONVERTED;
}
