# --------------------------------------------------------------------------------------------------- many questions on one channel

silent_limit_s=30 # the caller says something every few seconds while a rehearsal waits for questions

# All streams to a rehearsal on the channel that it was asked for on: one process instead of a session, an agent and a process for each.
# Frames, both ways: a kind, the number of the stream and the length of what follows. A stream is given as many bytes as it was granted.
# shellcheck disable=SC2016 # a program in Perl
switchboard_perl='
use strict; use Errno qw(EINPROGRESS EAGAIN EINTR); use Fcntl; use Socket qw(:DEFAULT inet_pton AF_INET6 pack_sockaddr_in6);
my ($keeper, $silent_s, $limit_s) = @ARGV;
$SIG{PIPE} = "IGNORE"; alarm $limit_s;
# Read after the keeper is gone, it fails: whoever has its number then.
open(my $life, "<", "/proc/$keeper/stat") or exit 1;
my ($in, $said, $silence, %streams) = ("", "", 0);
sub tell_caller { my ($kind, $id, $data) = @_; $said .= pack("aNN", $kind, $id, length $data) . $data }
sub flush_said {
  while (length $said) {
    my $n = syswrite(STDOUT, $said);
    if (defined $n) { substr($said, 0, $n, "") } elsif (!$!{EINTR}) { exit 1 }
  }
}
sub drop { my ($id, $kind, $why) = @_; my $one = delete $streams{$id} or return; close $one->{socket}; tell_caller($kind, $id, $why) if $kind }
sub begin {
  my ($id, $address, $port, $credit) = @_;
  my $six = $address =~ /:/;
  my $packed = inet_pton($six ? AF_INET6 : AF_INET, $address);
  my $socket;
  unless (defined $packed && socket($socket, $six ? AF_INET6 : AF_INET, SOCK_STREAM, 0)) { tell_caller("R", $id, "no address"); return }
  fcntl($socket, F_SETFL, O_NONBLOCK);
  $streams{$id} = {socket => $socket, up => 0, out => "", credit => $credit};
  return if connect($socket, $six ? pack_sockaddr_in6($port, $packed) : pack_sockaddr_in($port, $packed)) || $!{EINPROGRESS};
  drop($id, "R", "$!");
}
sub obey {
  my ($kind, $id, $data) = @_;
  if ($kind eq "O") { my ($address, $port, $credit) = split / /, $data; begin($id, $address, $port, $credit) }
  elsif ($kind eq "D") { $streams{$id}{out} .= $data if $streams{$id} }
  elsif ($kind eq "G") { $streams{$id}{credit} += $data if $streams{$id} }
  elsif ($kind eq "C") { drop($id) }
  elsif ($kind eq "E") { tell_caller("E", 0, ""); flush_said(); exit 0 }
}
sub writable {
  my ($id, $one) = @_;
  unless ($one->{up}) {
    my $error = unpack("i", getsockopt($one->{socket}, SOL_SOCKET, SO_ERROR));
    if ($error) { $! = $error; drop($id, "R", "$!"); return }
    $one->{up} = 1;
    tell_caller("O", $id, "");
  }
  return unless length $one->{out};
  my $n = syswrite($one->{socket}, $one->{out});
  if (defined $n) { substr($one->{out}, 0, $n, "") } elsif (!$!{EAGAIN} && !$!{EINTR}) { $one->{out} = "" }
}
sub readable {
  my ($id, $one) = @_;
  my $n = sysread($one->{socket}, my $data, $one->{credit} < 32768 ? $one->{credit} : 32768);
  return if !defined $n && ($!{EAGAIN} || $!{EINTR});
  if (!$n) { drop($id, "C", defined $n ? "" : "$!"); return }
  $one->{credit} -= $n;
  tell_caller("D", $id, $data);
}
while (1) {
  flush_said();
  my ($reads, $writes) = ("", "");
  vec($reads, 0, 1) = 1;
  for my $one (values %streams) {
    my $fd = fileno $one->{socket};
    vec($reads, $fd, 1) = 1 if $one->{up} && $one->{credit} > 0;
    vec($writes, $fd, 1) = 1 if !$one->{up} || length $one->{out};
  }
  my $ready = select($reads, $writes, undef, 1);
  sysseek($life, 0, 0) && defined sysread($life, my $alive, 1) or exit 1;
  next if $ready < 0;
  if ($ready == 0) { ++$silence < $silent_s or exit 1; next }
  # These first: a descriptor that is closed by what is read next may be used anew.
  for my $id (keys %streams) {
    my $one = $streams{$id} or next;
    my $fd = fileno $one->{socket};
    writable($id, $one) if vec($writes, $fd, 1);
    readable($id, $one) if $streams{$id} && vec($reads, $fd, 1);
  }
  if (vec($reads, 0, 1)) {
    sysread(STDIN, $in, 65536, length $in) or exit 1;
    $silence = 0;
    while (length $in >= 9) {
      my ($kind, $id, $size) = unpack("aNN", $in);
      last if length $in < 9 + $size;
      obey($kind, $id, substr($in, 9, $size));
      substr($in, 0, 9 + $size, "");
    }
  }
}'

# Carries streams to the rehearsal of $keeper until the caller says a word, is gone or silent, or the rehearsal is over.
switchboard() {
  nsenter --net="/proc/$keeper/ns/net" perl -e "$switchboard_perl" "$keeper" "$silent_limit_s" "$rehearsal_limit_s" <&6 6<&- 4>&- 5<&- 2>/dev/null
}

# The same without perl, where each stream comes on a channel of its own: waits for another word than `still`.
wait_for_word() {
  # shellcheck disable=SC2016 # it is a program for another shell
  while [ -d "/proc/$keeper" ] && timeout "$silent_limit_s" sh -c 'IFS= read -r line && [ "$line" = still ]' <&6 4>&- 5<&-; do :; done
}
