# Puts the columns of the tables into SQL.
#
#	awk -f columns.awk columns.h table_columns.h PART.sql...
#
# Reads the lists of the headers, and prints what follows.  A line of SQL that
# names @column@ stands for one line for each column of a call; @column:GROUP@,
# for each of that group, which is the name of its #define in small letters
# (log, letter and timeless: the columns of call_events, dead_letters and
# timeless_events); and
# @column:!GROUP@, for each of a call that is not of that group.  In it, @type@
# is the column's type, @definition@ what CREATE TABLE says of it, @comment@ what
# COMMENT ON COLUMN does, quoted (NULL: nothing), and @,@ a comma after each but
# the last.

function sql_type(type)
{
	sub(/_ALWAYS$/, "", type)
	if (type == "TEXT" || type == "CALL_ID" || type == "STATUS")
		return "text"
	if (type == "ANOMALIES")
		return "text[]"
	if (type == "TIME")
		return "timestamptz"
	if (type == "BIGINT" || type == "COUNT")
		return "bigint"
	if (type == "ATTEMPTS" || type == "INTEGER")
		return "integer"
	if (type == "SOURCE")
		return "\"char\""
	if (type == "UUID" || type == "JSON" || type == "BYTEA")
		return tolower(type)
	fail("type " type " is unknown")
}

# What CREATE TABLE says of a column of that type.
function sql_definition(type)
{
	if (type == "CALL_ID")
		return "text COLLATE pg_catalog.\"C\" NOT NULL DEFAULT ''"
	if (type == "STATUS")
		return "text NOT NULL DEFAULT 'UNKNOWN'"
	if (type == "ATTEMPTS")
		return "integer NOT NULL DEFAULT 1"
	if (type == "SOURCE")
		return "\"char\" NOT NULL DEFAULT 'b'"
	return sql_type(type) \
		(type == "COUNT" || type ~ /_ALWAYS$/ ? " NOT NULL" : "")
}

function fail(what)
{
	print FILENAME ":" FNR ": " what >"/dev/stderr"
	failed = 1
	exit 1
}

FNR == 1 { is_list = FILENAME ~ /\.h$/ }

is_list && /^#define CDR_(CALL_[A-Z]+|[A-Z]+_COLUMNS)\(COLUMN\)/ {
	group = $2
	of_call = group !~ /_COLUMNS/
	gsub(/^CDR_(CALL_)?|(_COLUMNS)?\(.*$/, "", group)
	group = tolower(group)
}

is_list && /^\tCOLUMN\([a-z_]+, [A-Z_]+[,)]/ {
	split($0, part, /[(), ]+/)
	count++
	name[count] = part[2]
	type[count] = part[3]
	in_group[count] = group
	is_call[count] = of_call
	comment[count] = "NULL"
}

# The comment of the column above, or of this line.
is_list && match($0, /".*"\)/) {
	text = substr($0, RSTART + 1, RLENGTH - 3)
	gsub(/'/, "''", text)
	comment[count] = "'" text "'"
}

is_list { next }

match($0, /@column(:!?[a-z]+)?@/) {
	marker = substr($0, RSTART, RLENGTH)
	wanted = substr(marker, 9, length(marker) - 9)
	lines = 0
	for (i = 1; i <= count; i++)
		if ((marker == "@column@" && is_call[i]) || wanted == in_group[i] ||
			(wanted ~ /^!/ && wanted != "!" in_group[i] && is_call[i]))
			chosen[++lines] = i
	if (lines == 0)
		fail("there is no column for " marker)
	for (i = 1; i <= lines; i++)
	{
		line = $0
		c = chosen[i]
		definition = sql_definition(type[c])
		gsub(marker, name[c], line)
		gsub(/@type@/, sql_type(type[c]), line)
		gsub(/@definition@/, definition, line)
		gsub(/@comment@/, comment[c], line)
		gsub(/@,@/, i < lines ? "," : "", line)
		print line
	}
	next
}

{ print }

END { exit failed }
