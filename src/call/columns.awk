# Puts the columns of a call into SQL.
#
#	awk -f columns.awk columns.h PART.sql...
#
# Reads the list of columns.h, and prints what follows.  A line of SQL that
# names @column@ stands for one line for each column; @column:GROUP@, for each
# of that group, which is the name of its #define in small letters; and
# @column:!GROUP@, for each that is not of that group.  In it, @type@ is the
# column's type, @definition@ what CREATE TABLE says of it, and @,@ a comma after
# each but the last.

function sql_type(type)
{
	if (type == "TEXT")
		return "text"
	if (type == "TIME" || type == "TIME_ALWAYS")
		return "timestamptz"
	if (type == "BIGINT" || type == "COUNT")
		return "bigint"
	if (type == "UUID")
		return "uuid"
	fail("type " type " is unknown")
}

function fail(what)
{
	print FILENAME ":" FNR ": " what >"/dev/stderr"
	failed = 1
	exit 1
}

FNR == 1 { file++ }

file == 1 && /^#define CDR_CALL_[A-Z]+\(COLUMN\)/ {
	group = $2
	gsub(/^CDR_CALL_|\(.*$/, "", group)
	group = tolower(group)
}

file == 1 && /^\tCOLUMN\([a-z_]+, [A-Z_]+, [A-Z]+\)/ {
	split($0, part, /[(), ]+/)
	count++
	name[count] = part[2]
	type[count] = part[3]
	in_group[count] = group
}

file == 1 { next }

match($0, /@column(:!?[a-z]+)?@/) {
	marker = substr($0, RSTART, RLENGTH)
	wanted = substr(marker, 9, length(marker) - 9)
	lines = 0
	for (i = 1; i <= count; i++)
		if (marker == "@column@" || wanted == in_group[i] ||
			(wanted ~ /^!/ && wanted != "!" in_group[i]))
			chosen[++lines] = i
	if (lines == 0)
		fail("there is no column for " marker)
	for (i = 1; i <= lines; i++)
	{
		line = $0
		c = chosen[i]
		definition = sql_type(type[c]) \
			(type[c] == "COUNT" || type[c] == "TIME_ALWAYS" ? " NOT NULL" : "")
		gsub(marker, name[c], line)
		gsub(/@type@/, sql_type(type[c]), line)
		gsub(/@definition@/, definition, line)
		gsub(/@,@/, i < lines ? "," : "", line)
		print line
	}
	next
}

{ print }

END { exit failed }
