# Whatever is planted on the tables runs with the rights of whoever writes
# them, and of nobody else: no trigger, constraint, index, policy or rule gets
# hold of the worker's own rights, no object that is named like another is
# taken for it, and no superuser writes where others can plant.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

# the tests' own sessions; the worker's is set otherwise, below
$ENV{PGOPTIONS} .= ' -c search_path=cdr,public';

my $cdr = CdrService::Fixture->new(
	'least_privilege',
	extension => 0,
	config    => "cdr_service.batch_linger = 0\n");
$cdr->sql(<<'EOC');
CREATE SCHEMA cdr;
CREATE EXTENSION cdr_service SCHEMA cdr;
CREATE ROLE keeper LOGIN;
CREATE ROLE writer;
CREATE ROLE nobody;
GRANT USAGE, CREATE ON SCHEMA cdr, public TO keeper;
GRANT USAGE ON SCHEMA cdr TO writer;
EOC
$cdr->wait_for_state('consuming');

my $published = 0;

# Publishes three events of a call, and something that is none.
sub publish_some
{
	my ($name) = @_;

	$cdr->publish(simple_events(3, $name), "no event: $name");
	$published += 3;
	return;
}

sub stores
{
	my ($name) = @_;

	publish_some($name);
	$cdr->wait_for("count(*) = $published FROM call_events");
	$cdr->wait_for("count(*) = $published / 3 FROM dead_letters");
	return $cdr->stored_is($published, $name);
}

# Events come, but are kept until $cure.
sub refuses
{
	my ($name, $sqlstate, $error, $cure) = @_;

	publish_some($name);
	$cdr->wait_for_state('retrying');
	like($cdr->status('last_error'), $error, "$name: told why");
	$cdr->status_is('last_error_sqlstate', $sqlstate, "$name: SQLSTATE");
	is( $cdr->sql(
			q{SELECT max(e.n) + max(d.n) FROM (SELECT count(*) AS n FROM call_events) AS e,
			  (SELECT count(*) AS n FROM dead_letters) AS d}),
		($published - 3) * 4 / 3,
		"$name: nothing is stored");
	$cure->();
	$cdr->wait_for("count(*) = $published FROM call_events");
	$cdr->wait_for("count(*) = $published / 3 FROM dead_letters");
	return $cdr->stored_is($published, "$name, cured");
}

# A statement of somebody's in a session of his own.
sub sql_as
{
	my ($role, $statement) = @_;

	return $cdr->node->safe_psql('postgres', $statement,
		extra_params => [ '-U', $role ]);
}

sub give_tables_to
{
	my ($role, @some) = @_;

	@some = split /\n/,
	  $cdr->sql(
		q{SELECT oid::regclass FROM pg_class WHERE relnamespace = 'cdr'::regnamespace AND relkind IN ('r', 'p')}
	  ) unless @some;
	return $cdr->sql(
		join '',
		map { "ALTER TABLE $_ OWNER TO $role;" } @some);
}

# --- a superuser writes only what is its own

stores('as the superuser who owns the tables');
give_tables_to('keeper', 'call_events');
refuses(
	'a table of another',
	'42501',
	qr/role "keeper" could gain the rights of a superuser through table "call_events"/,
	sub { give_tables_to('postgres', 'call_events'); });
give_tables_to('keeper', 'call_events_default');
refuses(
	'a partition of another',
	'42501',
	qr/role "keeper" could gain the rights of a superuser through table "call_events_default"/,
	sub { give_tables_to('postgres', 'call_events_default'); });
$cdr->sql('GRANT TRIGGER ON dead_letters TO keeper');
sql_as(
	'keeper', q{
CREATE FUNCTION public.escalate() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN ALTER ROLE keeper SUPERUSER; RETURN NEW; END $$;
CREATE TRIGGER escalate BEFORE INSERT ON cdr.dead_letters
	FOR EACH ROW EXECUTE FUNCTION public.escalate()});
refuses(
	'a trigger of another',
	'42501',
	qr/role "keeper" could gain the rights of a superuser through table "dead_letters"/,
	sub { $cdr->sql('DROP TRIGGER escalate ON dead_letters'); });
like(
	$cdr->error_of(
		q{SET cdr_service.role = 'postgres'; SELECT cdr_ingest_event('{}')}),
	qr/cannot be changed now/,
	'nobody chooses the role for a session');

# --- everything that an owner can plant, and everything that it can try

$cdr->sql('TRUNCATE calls, call_events, dead_letters');
$published = 0;
give_tables_to('keeper');
sql_as('keeper', <<'EOC');
CREATE TABLE public.attempts (what text);
INSERT INTO public.attempts VALUES
	('SET ROLE postgres'),
	('SET LOCAL ROLE postgres'),
	('RESET ROLE'),
	('SET SESSION AUTHORIZATION postgres'),
	('RESET SESSION AUTHORIZATION'),
	($$SELECT set_config('role', 'postgres', false)$$),
	('SET session_replication_role = replica'),
	('ALTER ROLE keeper SUPERUSER'),
	('CREATE ROLE trojan SUPERUSER'),
	('GRANT pg_execute_server_program TO keeper'),
	('UPDATE pg_authid SET rolsuper = true'),
	($$CREATE FUNCTION public.trojan() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'SELECT';
	   ALTER FUNCTION public.trojan() OWNER TO postgres$$),
	('CREATE EVENT TRIGGER trojan ON ddl_command_start EXECUTE FUNCTION cdr.cdr_guard_drops()'),
	('ALTER SYSTEM SET cdr_service.role = keeper'),
	($$SELECT pg_read_file('/etc/passwd')$$),
	($$SELECT lo_export(0, '/tmp/trojan')$$),
	($$COPY public.attempts TO PROGRAM 'cat'$$),
	($$COPY public.attempts FROM '/etc/passwd'$$),
	($$LOAD '/tmp/trojan'$$),
	('CREATE TEMPORARY TABLE trojan ()'),
	('CREATE TEMPORARY VIEW pg_class AS SELECT 1 AS oid'),
	('DECLARE trojan CURSOR WITH HOLD FOR SELECT 1'),
	('PREPARE trojan AS SELECT 1'),
	('LISTEN trojan'),
	('SET CONSTRAINTS ALL DEFERRED; INSERT INTO public.later VALUES (1)');
-- what happened: where, as whom; no reason if it worked
CREATE TABLE public.loot (place text, who text, what text, reason text);
CREATE TABLE public.later (n int);
CREATE FUNCTION public.try_everything(place text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
	attempt text;
	reason text;
BEGIN
	FOR attempt IN SELECT what FROM public.attempts LOOP
		reason := NULL;
		BEGIN
			EXECUTE attempt;
		EXCEPTION WHEN OTHERS THEN
			reason := SQLERRM;
		END;
		INSERT INTO public.loot VALUES (place, current_user, attempt, reason);
	END LOOP;
END $$;
CREATE FUNCTION public.planted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM public.try_everything(TG_ARGV[0]);
	RETURN NEW;
END $$;
-- a claim that nobody checks
CREATE FUNCTION public.pure(place text, value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	PERFORM public.try_everything(place);
	RETURN value;
END $$;
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON public.later
	DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION public.planted('deferred, of another table');

CREATE TRIGGER a BEFORE INSERT ON cdr.call_events
	FOR EACH ROW EXECUTE FUNCTION public.planted('before, log');
CREATE TRIGGER b AFTER INSERT ON cdr.call_events
	FOR EACH STATEMENT EXECUTE FUNCTION public.planted('statement, log');
CREATE TRIGGER c AFTER INSERT ON cdr.call_events_default
	FOR EACH ROW EXECUTE FUNCTION public.planted('partition');
CREATE TRIGGER d BEFORE INSERT OR UPDATE ON cdr.calls
	FOR EACH ROW EXECUTE FUNCTION public.planted('before, calls');
CREATE CONSTRAINT TRIGGER e AFTER INSERT ON cdr.calls
	DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION public.planted('deferred, calls');
CREATE TRIGGER f AFTER INSERT OR UPDATE OR DELETE ON cdr.dead_letters
	FOR EACH ROW EXECUTE FUNCTION public.planted('dead letters');
CREATE INDEX ON cdr.calls (public.pure('index', call_id));
CREATE INDEX ON cdr.call_events (event_id)
	WHERE public.pure('index predicate', call_id) <> '';
ALTER TABLE cdr.calls ADD planted text
	GENERATED ALWAYS AS (public.pure('generated column', call_id)) STORED;
ALTER TABLE cdr.calls ADD CHECK (public.pure('check', call_id) <> '');
CREATE DOMAIN public.trap AS text CHECK (public.pure('domain', VALUE) <> '');
ALTER TABLE cdr.dead_letters ADD planted public.trap;
ALTER TABLE cdr.dead_letters ALTER planted
	SET DEFAULT public.pure('default', 'x');
ALTER TABLE cdr.calls ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY planted ON cdr.calls USING (public.pure('policy', call_id) <> '');
CREATE RULE planted AS ON INSERT TO cdr.call_events
	DO ALSO INSERT INTO public.later SELECT 1
	WHERE public.pure('rule', NEW.call_id) = '';
EOC
my $places   = join "\n", sort 'before, log', 'statement, log', 'partition',
  'before, calls', 'deferred, calls', 'dead letters', 'index',
  'index predicate', 'generated column', 'check', 'domain', 'default',
  'policy', 'rule';

# Has everything been tried, in all these places, in vain, and as the owner?
sub nothing_gained
{
	my ($name, $where) = @_;

	is( $cdr->sql(
			q{SELECT DISTINCT place COLLATE "C" FROM loot ORDER BY 1}),
		$where,
		"$name: every plant has come to life");
	is( $cdr->sql(
			"SELECT DISTINCT place, what FROM loot WHERE reason IS NULL LIMIT 9"
		),
		'',
		"$name: no attempt worked");
	is($cdr->sql('SELECT DISTINCT who FROM loot'),
		'keeper', "$name: all were made as the writer");
	is( $cdr->sql(
			q{SELECT rolname FROM pg_roles WHERE rolsuper AND rolname <> 'postgres'
			  UNION ALL SELECT proname FROM pg_proc WHERE proname = 'trojan'
			  UNION ALL SELECT relname FROM pg_class WHERE relname = 'trojan'
			  UNION ALL SELECT n::text FROM later}),
		'',
		"$name: nothing is left of them");
	return;
}

stores('planted');
nothing_gained('the worker', $places);

# the functions that SQL calls, by a superuser
# (they insert with ON CONFLICT, which PostgreSQL refuses under a rule;
# TRUNCATE has nothing of the owner's run with the superuser's rights)
sql_as('keeper', 'DROP RULE planted ON cdr.call_events');
$places =~ s/\nrule//;
$cdr->sql(<<'EOC');
TRUNCATE loot, calls;
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT cdr_ingest_event('{"callId":"by hand","timestamp":"2026-03-01T12:00:00Z"}');
SELECT cdr_rebuild_calls();
SELECT cdr_retry_dead_letters();
SELECT cdr_discard_dead_letters(array_agg(event_id)) FROM dead_letters;
SELECT cdr_create_partitions('2026-01-01', '2026-03-01');
SELECT count(*) FROM cdr_verify_calls();
COMMIT;
EOC
nothing_gained('the functions', $places);
is( $cdr->sql(
		q{SELECT count(*) FROM pg_class WHERE relnamespace = 'cdr'::regnamespace AND relkind IN ('r', 'p') AND relowner <> 'keeper'::regrole}
	),
	0,
	'partitions are made as the owner of the tables');
# --- from scratch, with objects of another's that are named like ours, and
# like the server's, where the worker's session would look for them

$cdr->sql(
	'SET cdr_service.allow_drop = on; DROP EXTENSION cdr_service CASCADE');
$cdr->sql(<<'EOC');
CREATE SCHEMA trap;
CREATE FUNCTION trap.caught() RETURNS void LANGUAGE plpgsql AS
	$$ BEGIN RAISE LOG 'trapped as %', current_user; END $$;
CREATE FUNCTION trap.same(text, text) RETURNS boolean LANGUAGE sql AS
	'SELECT trap.caught(); SELECT false';
CREATE FUNCTION trap.same(uuid, uuid) RETURNS boolean LANGUAGE sql AS
	'SELECT trap.caught(); SELECT false';
CREATE FUNCTION trap.less(timestamptz, timestamptz) RETURNS boolean
	LANGUAGE sql AS 'SELECT trap.caught(); SELECT false';
CREATE FUNCTION trap.unnest(anyarray) RETURNS SETOF anyelement LANGUAGE sql AS
	'SELECT trap.caught(); SELECT $1[1]';
CREATE FUNCTION trap.cdr_disposition(boolean, text) RETURNS text LANGUAGE sql
	AS $$ SELECT trap.caught(); SELECT 'trapped' $$;
CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.same);
CREATE OPERATOR trap.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = trap.same);
CREATE OPERATOR trap.< (LEFTARG = timestamptz, RIGHTARG = timestamptz,
	FUNCTION = trap.less);
CREATE TABLE trap.calls (call_id text PRIMARY KEY);
CREATE TABLE trap.call_events (call_id text);
CREATE TABLE trap.dead_letters (event_id uuid);
CREATE TABLE trap.pg_extension (extname text);
GRANT USAGE ON SCHEMA trap TO PUBLIC;
ALTER ROLE postgres SET search_path = trap, pg_catalog;
ALTER DATABASE postgres SET search_path = trap, pg_catalog;
EOC
$cdr->terminate_worker(
	$cdr->sql(
		q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'cdr_service worker'}
	));
$cdr->sql('CREATE EXTENSION cdr_service SCHEMA cdr');
$cdr->wait_for_state('consuming');
$published = 0;
my $log = $cdr->log_size;
stores('a search_path of traps');
$cdr->publish(simple_events(3, 'a search_path of traps'));
$cdr->wait_for('duplicates = 3 FROM cdr_status()');
is($cdr->log_matches(qr/trapped/, $log), 0, 'nothing of the traps has run');
is( $cdr->sql(
		'SELECT count(*) FROM trap.calls, trap.call_events, trap.dead_letters'),
	0,
	'and nothing is stored in them');

# --- cdr_service.role

# Makes a role the writer, and waits until the worker knows.
my $prefetch = 1000;

sub write_as
{
	my ($role) = @_;
	my $before = $cdr->status('reconnects');

	# for the other setting, it connects again
	$cdr->set(
		'cdr_service.role'     => $role,
		'cdr_service.prefetch' => ++$prefetch);
	return $cdr->wait_for(
		"reconnects > $before AND state = 'consuming' FROM cdr_status()");
}

write_as('somebody');
refuses(
	'a role that is not there',
	'42704',
	qr/role "somebody" does not exist/,
	sub { $cdr->set('cdr_service.role' => ''); });
write_as('nobody');
refuses(
	'a role without rights',
	'42501',
	qr/permission denied for schema cdr/,
	sub { $cdr->set('cdr_service.role' => ''); });
write_as('writer');
refuses(
	'a role with too few rights',
	'42501',
	qr/permission denied for table (call_events|dead_letters)/,
	sub {
		$cdr->sql('GRANT SELECT, INSERT, UPDATE'
			  . ' ON calls, call_events, dead_letters TO writer');
	});
sql_as('postgres', <<'EOC');
CREATE FUNCTION public.whose() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.tenant_id := current_user;
	RETURN NEW;
END $$;
CREATE TRIGGER whose BEFORE INSERT ON cdr.call_events
	FOR EACH ROW EXECUTE FUNCTION public.whose();
EOC
stores('as cdr_service.role');
is( $cdr->sql(
		q{SELECT DISTINCT tenant_id FROM call_events WHERE call_id LIKE 'as cdr%'}
	),
	'writer',
	'rows are written as cdr_service.role, and so run the triggers');
$cdr->nothing_left('least privilege');

done_testing();
