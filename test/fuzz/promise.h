/*-------------------------------------------------------------------------
 *
 * promise.h
 *	  A broken promise ends the program.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PROMISE_H
#define PROMISE_H

#define PROMISE(condition)                                           \
	do                                                               \
	{                                                                \
		if (!(condition))                                            \
		{                                                            \
			fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, \
					__LINE__, #condition);                           \
			abort();                                                 \
		}                                                            \
	} while (0)

#endif /* PROMISE_H */
