/*-------------------------------------------------------------------------
 *
 * files.h
 *	  Whole files, for programs that cannot go on without them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FILES_H
#define FILES_H

/* Reads a file, from malloc(); ends the program if that cannot be. */
static inline char *
files_read(const char *path, size_t *length)
{
	FILE  *file = fopen(path, "rb");
	char  *bytes = NULL;
	size_t capacity = 0;

	*length = 0;
	if (file == NULL)
	{
		perror(path);
		exit(1);
	}
	do
	{
		capacity += 65536;
		bytes = realloc(bytes, capacity);
		if (bytes == NULL)
			abort();
		*length += fread(bytes + *length, 1, capacity - *length, file);
	} while (*length == capacity);
	fclose(file);
	return bytes;
}

#endif /* FILES_H */
