# A lock holds only the events that need it, whichever of the tables it is on, or
# of those that they refer to; and where nothing can be stored for it, or because
# commits fail, no event becomes a dead letter.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

my $cdr = CdrService::Fixture->new('locks',
	config => "cdr_service.prefetch = 60\ncdr_service.batch_size = 30\n");
my $session = $cdr->session;
my $stored  = 0;

sub others_are_stored
{
	my ($name, $count) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$stored += $count;
	return $cdr->stored_within_a_minute($stored, $name);
}

# --- the tables that few events need: of letters, and of events without a time

my %needs = (
	dead_letters    => [ map { "no event $_" } 1 .. 3 ],
	timeless_events =>
	  [ map { qq({"eventType":"call.note","callId":"timeless $_"}) } 1 .. 3 ]
);

foreach my $table (sort keys %needs)
{
	my @waiting = @{ $needs{$table} };

	foreach my $mode ('SHARE', 'ACCESS EXCLUSIVE')
	{
		my $name = "$table in $mode mode";

		$session->query("BEGIN; LOCK TABLE $table IN $mode MODE");
		$cdr->publish(simple_events(100, $name));
		others_are_stored($name, 100);
		$session->query('ROLLBACK');
	}
	$session->query("BEGIN; LOCK TABLE $table IN SHARE MODE");
	$cdr->publish(
		$waiting[0],
		simple_events(100, "$table and others"),
		@waiting[ 1, 2 ]);
	others_are_stored("$table, with some that need it", 100);
	$cdr->wait_for('sum(waiting) = 3 FROM cdr_status()');
	like(
		$cdr->status('last_error'),
		$table eq 'dead_letters'
		? qr/^dead letter [-0-9a-f]{36} waits: .*lock timeout/
		: qr/^event [-0-9a-f]{36} of call "timeless \d" waits: .*lock timeout/,
		"$table: what needs it is counted and named");
	$session->query('ROLLBACK');
	$cdr->wait_for('sum(waiting) = 0 FROM cdr_status()');
}
$stored += 3;
$cdr->stored_is($stored, 'locked tables');
is($cdr->sql('SELECT count(*) FROM dead_letters'),
	3, 'locked tables: the letters are kept, and no event is one');
$cdr->sql('TRUNCATE dead_letters');

# --- rows that calls refer to: nothing that this worker has can be stored

sub call_of_tenant
{
	my ($call, $tenant) = @_;

	return
	  qq({"eventType":"call.started","callId":"$call","tenantId":"$tenant","timestamp":"2026-03-01T10:00:00Z"});
}

$cdr->sql(<<'EOS');
CREATE TABLE tenants (id text PRIMARY KEY);
INSERT INTO tenants VALUES ('locked'), ('free');
ALTER TABLE calls ADD FOREIGN KEY (tenant_id) REFERENCES tenants;
EOS
$session->query(
	q{BEGIN; SELECT 1 FROM tenants WHERE id = 'locked' FOR UPDATE});
$cdr->publish(map { call_of_tenant("locked $_", 'locked') } 1 .. 45);
$cdr->wait_for('sum(waiting) > 30 FROM cdr_status()');
# longer than an event must wait, and than others are thought to be storable
$cdr->wait_for(
	"clock_timestamp() > timestamptz '${\$cdr->sql('SELECT clock_timestamp()')}' + '17 seconds'::interval"
);
is($cdr->sql('SELECT count(*) FROM dead_letters'),
	0, 'locked tenants: no event becomes a dead letter');
is($cdr->events, $stored, 'locked tenants: nor is one stored');
$session->query('ROLLBACK');
$stored += 45;
$cdr->wait_drained($stored);
$cdr->stored_is($stored, 'locked tenants, released');


# --- the same, while events of other tenants are stored

$session->query(
	q{BEGIN; SELECT 1 FROM tenants WHERE id = 'locked' FOR UPDATE});
$cdr->publish(map { call_of_tenant("locked again $_", 'locked') } 1 .. 45);
$cdr->wait_for('sum(waiting) = 45 FROM cdr_status()');
my $until = $cdr->sql(q{SELECT clock_timestamp() + '12 seconds'});
my $round = 0;
do
{
	$round++;
	$cdr->publish(map { call_of_tenant("free $round $_", 'free') } 1 .. 10);
	$cdr->wait_for("count(*) = ${\($stored += 10)} FROM call_events");
} until $cdr->sql("SELECT clock_timestamp() > '$until'") eq 't';
is($cdr->sql('SELECT count(*) FROM dead_letters'),
	0, 'locked tenants, others are stored: no event becomes a dead letter');
$session->query('ROLLBACK');
$stored += 45;
$cdr->wait_drained($stored);
$cdr->stored_is($stored, 'locked tenants, others are stored, released');

# --- what fails as late as in the commit, whatever is stored: as where the queue of
# notifications is full; here another server cannot commit its part

my ($host, $port) = ($cdr->node->host, $cdr->node->port);
$cdr->sql(<<"EOS");
CREATE EXTENSION postgres_fdw;
CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw
	OPTIONS (host '$host', port '$port', dbname 'postgres');
CREATE TABLE there (call_id text);
CREATE FOREIGN TABLE here (call_id text) SERVER other OPTIONS (table_name 'there');
GRANT INSERT ON here TO cdr_service;
SELECT format('CREATE USER MAPPING FOR cdr_service SERVER other'
	' OPTIONS (user %L, password_required ''false'')', current_user)
\\gexec
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
	RAISE EXCEPTION 'no commit' USING ERRCODE = 'program_limit_exceeded';
END
\$\$;
CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON there DEFERRABLE
	INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail();
CREATE FUNCTION copy_it() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
	INSERT INTO public.here VALUES (NEW.call_id);
	RETURN NEW;
END
\$\$;
CREATE TRIGGER copy_it AFTER INSERT ON call_events
	FOR EACH ROW EXECUTE FUNCTION copy_it();
EOS
$cdr->publish(map { call_of_tenant("commit $_", 'free') } 1 .. 45);
$cdr->wait_for('sum(waiting) > 30 FROM cdr_status()');
$cdr->wait_for(
	"clock_timestamp() > timestamptz '${\$cdr->sql('SELECT clock_timestamp()')}' + '17 seconds'::interval"
);
is($cdr->sql('SELECT count(*) FROM dead_letters'),
	0, 'commits fail: no event becomes a dead letter');
$cdr->sql('DROP TRIGGER fail ON there');
$stored += 45;
$cdr->wait_drained($stored);
$cdr->stored_is($stored, 'commits that failed');

$session->quit;
$cdr->nothing_left('locks');
done_testing();
