# Puts the rows of cdr_table_columns() into C, as a string: CDR_COLUMN_LIST.
#
#	awk -f columns.awk columns.h table_columns.h tables.sql | awk -f column_list.awk
#
# What columns.awk makes of tables.sql says what the columns are; here is only the
# text of that function's VALUES.

/^CREATE FUNCTION @extschema@\.cdr_table_columns\(/ { is_function = 1 }
is_function && /^\$function\$;/ { exit }
is_function && /^\tVALUES$/ { is_list = 1 }

is_list {
	gsub(/\\/, "\\\\")
	gsub(/"/, "\\\"")
	if (lines++ == 0)
		print "#define CDR_COLUMN_LIST \\"
	print "\t\"" $0 "\\n\" \\"
}

END {
	if (lines < 2)
	{
		print "column_list.awk: there is no list" >"/dev/stderr"
		exit 1
	}
	print "\t\"\""
}
