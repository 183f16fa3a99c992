# META.json with the addresses of the project, by which PGXN leads to it: those of
# the usual hosts.  Without a home, as it is.
/^   "tags": / && home != "" {
	printf "   \"resources\": {\n"
	printf "      \"homepage\": \"%s\",\n", home
	printf "      \"bugtracker\": {\n"
	printf "         \"web\": \"%s/issues\"\n", home
	printf "      },\n"
	printf "      \"repository\": {\n"
	printf "         \"url\": \"%s.git\",\n", home
	printf "         \"web\": \"%s\",\n", home
	printf "         \"type\": \"git\"\n"
	printf "      }\n"
	printf "   },\n"
}
{ print }
