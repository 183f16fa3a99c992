# Puts the hangup causes of causes.csv into C or SQL.
#
#	LC_ALL=C awk -v language=c -f causes.awk causes.csv
#	LC_ALL=C awk -v language=sql -f causes.awk causes.csv
#
# In C, the rows of the array in causes.c, in the order of their names, by which
# it is searched: each name once, from the first of the lines that have it.  In
# SQL, the rows of the table cdr_causes: every line.
#
# A line that says something impossible fails the build.

function fail(what)
{
	print FILENAME ":" FNR ": " what >"/dev/stderr"
	failed = 1
	exit 1
}

# The fields of a line, in field[]; returns how many.
function split_line(line,	n, text, comma)
{
	n = 0
	for (;;)
	{
		if (line ~ /^"/)
		{
			if (!match(line, /^"([^"]|"")*"/))
				fail("a quote is not closed")
			text = substr(line, 2, RLENGTH - 2)
			line = substr(line, RLENGTH + 1)
			gsub(/""/, "\"", text)
		}
		else
		{
			comma = index(line, ",")
			text = comma ? substr(line, 1, comma - 1) : line
			line = comma ? substr(line, comma) : ""
		}
		field[++n] = text
		if (line == "")
			return n
		if (line !~ /^,/)
			fail("something follows a quoted field")
		line = substr(line, 2)
	}
}

function must_be(value, words, what)
{
	if (value !~ ("^(" words ")$"))
		fail("\"" value "\" is no " what)
}

# A number between two others, or nothing.
function must_be_number(value, least, most, what)
{
	if (value != "" && (value !~ /^(0|[1-9][0-9]*)$/ || value + 0 < least ||
						value + 0 > most))
		fail("\"" value "\" is no " what)
}

# causes.c compares names of at most 63 bytes.  By its name alone a number must
# tell what it is: so there are no numbers but those of Q.850 and of SIP.
function check_names()
{
	must_be(dialect, "[a-z0-9_]+", "dialect in small letters, digits and _")
	must_be(name, "[a-z0-9_]+", "name in small letters, digits and _")
	if (length(name) > 63)
		fail("\"" name "\" is longer than 63 bytes")
	if ((dialect, name) in lines)
		fail(dialect " has \"" name "\" already, in line " lines[dialect, name])
	lines[dialect, name] = FNR
	if (dialect == "q850")
	{
		if (name != q850 || q850 == 0)
			fail("the name is not the number of Q.850")
	}
	else if (dialect == "sip")
	{
		if (name != sip)
			fail("the name is not the code of SIP")
	}
	else if (name ~ /^[0-9]+$/)
		fail("\"" name "\" is a number")
}

function check_values()
{
	must_be_number(q850, 0, 127, "number of Q.850")
	must_be_number(sip, 200, 699, "code of a final answer of SIP")
	must_be(disposition, "ANSWERED|NO_ANSWER|BUSY|CANCELED|FAILED", "disposition")
	must_be(ends, "final|branch", "kind of end")
	must_be(field[7], "yes|no|depends|exclude", "effectiveness")
	if (field[8] != "")
		must_be(field[8], "success|effective|ineffective|neither|redirect",
				"class of RFC 6076")
	must_be(field[9], "caller|callee|network|platform|none|unknown", "fault")
}

# A number is called what its note says first.
function words_of(text)
{
	if (name !~ /^[0-9]+$/)
	{
		text = name
		gsub(/_/, " ", text)
		return text
	}
	text = note
	sub(/;.*$/, "", text)
	if (text == "" || text ~ /[^ -~]|["\\]/)
		fail("the note does not begin with what the number is called")
	return text
}

function add_to_list()
{
	if (name in row)
		return
	row[name] = sprintf("\t{\"%s\", \"%s\", %d, %d, \"%s\", CDR_ENDS_%s, \"%s\"},",
						dialect, name, q850, sip, disposition, toupper(ends),
						words_of())
	for (i = ++count; i > 1 && names[i - 1] > name ""; i--)
		names[i] = names[i - 1]
	names[i] = name ""
}

function literal(text)
{
	gsub(/'/, "''", text)
	return text == "" ? "NULL" : "'" text "'"
}

function print_row()
{
	printf "%s\n\t(%s, %s, %s, %s", count++ ? "," : "", literal(dialect),
		literal(name), q850 == "" ? "NULL" : q850, sip == "" ? "NULL" : sip
	for (i = 5; i <= 10; i++)
		printf ", %s", literal(field[i])
	printf ", %d)", count
}

FNR == 1 {
	columns = "dialect,name,q850,sip,disposition,ends,ner_effective,rfc6076,fault,note"
	if ($0 != columns)
		fail("the columns are not " columns)
	if (language == "sql")
		printf "\nALTER TABLE @extschema@.cdr_causes DISABLE TRIGGER cdr_change_cause;" \
			"\nINSERT INTO @extschema@.cdr_causes\n\t(%s,listed)\nVALUES",
			columns
	next
}

{
	if (split_line($0) != 10)
		fail("these are not 10 columns")
	dialect = field[1]
	name = field[2]
	q850 = field[3]
	sip = field[4]
	disposition = field[5]
	ends = field[6]
	note = field[10]
	check_names()
	check_values()
	if (language == "c")
		add_to_list()
	else
		print_row()
}

END {
	if (failed)
		exit 1
	if (language == "sql")
		print "\nON CONFLICT DO NOTHING;" \
			"\nALTER TABLE @extschema@.cdr_causes ENABLE ALWAYS TRIGGER cdr_change_cause;"
	else
		for (i = 1; i <= count; i++)
			print row[names[i]]
}
