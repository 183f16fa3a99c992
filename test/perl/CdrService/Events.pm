# Events as the platform publishes them.
package CdrService::Events;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use MIME::Base64;
use PostgreSQL::Test::Utils qw(slurp_file);

use CdrService::Util qw(repository);

our @EXPORT_OK = qw(simple_events case_messages);

# $count distinct events, three to a call: started, answered, ended.
sub simple_events
{
	my ($count, $prefix) = @_;
	my @types = ('call.started', 'call.answered', 'call.ended');
	my @events;

	$prefix = 'call' unless defined $prefix;
	foreach my $i (0 .. $count - 1)
	{
		my $second = int($i / 3) % 3000;
		my $time   = sprintf(
			'2026-03-01T12:%02d:%02d.%dZ',
			$second / 60,
			$second % 60,
			$i % 3);
		my $call = sprintf('%s-%06d@test', $prefix, $i / 3);

		push @events,
		  qq({"eventType":"$types[$i % 3]","callId":"$call","timestamp":"$time"});
	}
	return @events;
}

# The messages of a case of test/cases: routing key, properties, body.
sub case_messages
{
	my ($case) = @_;
	my @messages;

	foreach my $line (split /\n/,
		slurp_file(repository() . "/test/cases/$case.tsv"))
	{
		my ($key, $properties, $body) = split /\t/, $line, 3;

		$body = decode_base64($1) if $body =~ /^base64:(.*)/;
		push @messages,
		  { key => $key, properties => $properties, body => $body };
	}
	return @messages;
}

1;
