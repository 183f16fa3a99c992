# What is acknowledged is durable, whatever synchronous_commit is set to, by whom
# and when: after an immediate stop nothing is missing.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

# nobody else flushes what a commit has left
my $cdr = CdrService::Fixture->new('durable',
		config => "fsync = on\nwal_writer_delay = '10s'\n"
	  . "wal_writer_flush_after = 0\nbgwriter_delay = '10s'\n"
	  . "autovacuum = off\n");
my $stored = 0;

# The worker's next transactions are as weak as the setting would have them.
sub is_durable
{
	my ($name, $set, $reset) = @_;

	$set->();
	$cdr->publish(simple_events(51, $name =~ s/\W/-/gr));
	$stored += 51;
	$cdr->wait_drained($stored);
	is($cdr->broker->owed, 0, "$name: all is acknowledged");
	$cdr->node->stop('immediate');
	$cdr->node->start;
	$cdr->forget_crashes;
	is($cdr->events, $stored, "$name: all is there after an immediate stop");
	$reset->();
	$cdr->wait_for_state('consuming');
	return;
}

foreach my $value (qw(off local remote_write))
{
	is_durable(
		"a reload to $value",
		sub {
			$cdr->set('synchronous_commit' => $value);
			$cdr->wait_for_state('consuming');
		},
		sub { $cdr->set('synchronous_commit' => 'on'); });
}

is_durable(
	'a database set to off',
	sub {
		$cdr->sql('ALTER DATABASE postgres SET synchronous_commit = off');
		$cdr->terminate_worker;
		$cdr->wait_for_state('consuming');
	},
	sub { $cdr->sql('ALTER DATABASE postgres RESET synchronous_commit'); });

foreach my $table (qw(call_events calls))
{
	foreach my $way ('SET LOCAL synchronous_commit = off',
		q{PERFORM set_config('synchronous_commit', 'off', false)})
	{
		is_durable(
			"a trigger of $table, $way",
			sub {
				$cdr->sql(<<"EOS");
CREATE FUNCTION hurry() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
	$way;
	RETURN NULL;
END \$\$;
CREATE TRIGGER hurry AFTER INSERT ON $table FOR EACH ROW EXECUTE FUNCTION hurry();
EOS
			},
			sub { $cdr->sql('DROP FUNCTION hurry() CASCADE'); });
	}
}

$cdr->nothing_left('durable');
done_testing();
