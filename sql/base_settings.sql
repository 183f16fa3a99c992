-- What can be found out about the text of a setting is found out when it is
-- set, and told with a detail; of amqp_uri, nothing is shown.
LOAD 'cdr_service';

-- (ALTER SYSTEM looks at a value before it writes; here it never writes any)
SELECT format('ALTER SYSTEM SET cdr_service.%I = %L', name, value)
FROM (VALUES
	(1, 'amqp_uri', ', '),
	(2, 'amqp_uri', 'u:secret@host'),
	(3, 'amqp_uri', 'http://u:secret@host/'),
	(4, 'amqp_uri', 'AMQP://u:secret@host/'),
	(5, 'amqp_uri', 'amqps://u@one, amqp:/u:secret@two'),
	(6, 'amqp_uri', 'amqp://host'),
	(7, 'amqp_uri', 'amqp://:secret@host'),
	(8, 'amqp_uri', 'amqp://u%3Asecret@host'),
	(9, 'amqp_uri', 'amqp://u:sec/ret@host'),
	(10, 'amqp_uri', 'amqp://u:sec,ret@host'),
	(11, 'amqp_uri', 'amqp://u:secret%@host'),
	(12, 'amqp_uri', 'amqp://u:secret%0x@host'),
	(13, 'amqp_uri', 'amqp://u:secret@'),
	(14, 'amqp_uri', 'amqp://u:secret@ho st'),
	(15, 'amqp_uri', 'amqp://u:secret@host:0'),
	(16, 'amqp_uri', 'amqp://u:secret@host:65536'),
	(17, 'amqp_uri', 'amqp://u:secret@host:5672x'),
	(18, 'amqp_uri', 'amqp://u:secret@[fe80::1'),
	(19, 'amqp_uri', 'amqp://u:secret@host//'),
	(20, 'amqp_uri', 'amqp://u:secret@host/v?heartbeat=5'),
	(21, 'amqp_uri', 'amqp://u:secret@host/%zz'),
	(22, 'amqp_uri', 'amqp://u:secret@host/' || repeat('%20', 256)),
	(23, 'amqp_uri', 'amqp://gu%C3%A9:secret@host'),
	(24, 'amqp_uri', 'amqp://u:secret%ff@host'),
	(25, 'amqp_uri', 'amqp://u:secret@host/two%0Alines'),
	(30, 'queue', ''),
	(31, 'queue', E'two\nlines'),
	(32, 'queue', repeat('x', 256)),
	(33, 'exchange', E'tab\t'),
	(34, 'exchange', repeat('x', 256)),
	(35, 'dead_letter_exchange', repeat('x', 256)),
	(40, 'binding_keys', ''),
	(41, 'binding_keys', '  '),
	(42, 'binding_keys', ',call.#'),
	(43, 'binding_keys', 'call.#,,user.#'),
	(44, 'binding_keys', 'call.#, , user.#'),
	(45, 'binding_keys', 'call.#,'),
	(46, 'binding_keys', 'call.# ' || repeat('x', 256)),
	(47, 'binding_keys', E'call.\x01'),
	(50, 'database', ''),
	(51, 'database', repeat('x', 64)),
	(52, 'role', repeat('x', 64)),
	(60, 'tls_ca_file', E'two\nlines'),
	(61, 'tls_cert_file', E'two\nlines'),
	(62, 'tls_key_file', E'two\nlines'),
	(63, 'amqp_password_file', E'two\nlines'),
	(70, 'queue_type', 'stream'),
	(71, 'declare', 'always'),
	(72, 'tls_verify', 'never'),
	(73, 'prefetch', '0'),
	(74, 'batch_size', '10001'),
	(75, 'extension_digits', '16')) AS bad (number, name, value)
ORDER BY number
\gexec
SELECT count(*) FROM pg_file_settings
WHERE name LIKE 'cdr\_service.%' AND sourcefile LIKE '%postgresql.auto.conf';
