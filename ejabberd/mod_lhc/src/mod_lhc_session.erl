%%% The pings of one operator's session, and the messages that wait for their answers.
%%%
%%% Pure. The value lives in the state of ejabberd's session process. When another process resumes the session, the value
%%% moves there; it ends with the session.
%%%
%%% Pings are numbered. A client reads its stream in order, so the answer to ping n proves that it has read everything
%%% that was routed before n. Only one ping for messages is in progress at a time. Messages that are routed meanwhile
%%% share the next one.

-module(mod_lhc_session).

-export([new/0, of_state/1, add_message/3, remove_message/3, messages/1, answered/2, periodic_ping/1, unanswered/2]).
-export([has_message/3, is_ping/1, ping_id/1, ping_number/1]).

-type message() :: {Visitor :: binary(), Id :: binary()}.

-opaque session() :: #{sent := non_neg_integer(),
                       answered := non_neg_integer(),
                       %% The latest periodic ping whose answer is to be reported; 0 if there is none.
                       periodic := non_neg_integer(),
                       %% Newest first, each with the number of the ping behind it.
                       waiting := [{pos_integer(), message()}],
                       size := non_neg_integer()}.

-export_type([session/0]).

%% Bounds the memory for a client that never answers. ejabberd ends a session with about as many unread stanzas.
-define(MAX_WAITING, 1000).
-define(PREFIX, "lhc-ping-").
%% Digits of a ping's number.
-define(MAX_DIGITS, 20).

-spec new() -> session().
new() ->
    #{sent => 0, answered => 0, periodic => 0, waiting => [], size => 0}.

%% The value in the state of a session's process.
-spec of_state(map()) -> session().
of_state(#{mod_lhc := Session}) -> Session;
of_state(_) -> new().

%% A visitor's message was routed to the client. Returns the number of the ping to send behind it, or none.
-spec add_message(binary(), binary(), session()) -> {pos_integer() | none, session()}.
add_message(Visitor, Id, #{sent := Sent, answered := Answered, waiting := Waiting, size := Size} = Session) ->
    Added = trim(Session#{waiting := [{Sent + 1, {Visitor, Id}} | Waiting], size := Size + 1}),
    case Sent =:= Answered of
        true -> {Sent + 1, Added#{sent := Sent + 1}};
        false -> {none, Added}
    end.

trim(#{size := Size, waiting := Waiting} = Session) when Size > 2 * ?MAX_WAITING ->
    Session#{waiting := lists:sublist(Waiting, ?MAX_WAITING), size := ?MAX_WAITING};
trim(Session) ->
    Session.

%% The client sent a receipt for the message, so it need not wait for a ping.
-spec remove_message(binary(), binary(), session()) -> session().
remove_message(Visitor, Id, #{waiting := Waiting} = Session) ->
    Others = [Entry || {_, Message} = Entry <- Waiting, Message =/= {Visitor, Id}],
    Session#{waiting := Others, size := length(Others)}.

%% True if the message waits for a ping's answer.
-spec has_message(binary(), binary(), session()) -> boolean().
has_message(Visitor, Id, #{waiting := Waiting}) ->
    lists:keymember({Visitor, Id}, 2, Waiting).

%% The messages that wait for a ping's answer, newest first.
-spec messages(session()) -> [message()].
messages(#{waiting := Waiting}) ->
    [Message || {_, Message} <- Waiting].

%% The client answered ping N. Returns the messages that it has read (oldest first), whether the answer is to be reported
%% as that of a periodic ping, and the number of the next ping to send, or none. An old or unknown N changes nothing.
-spec answered(integer(), session()) -> {[message()], boolean(), pos_integer() | none, session()}.
answered(N, #{sent := Sent, answered := Answered} = Session) when N > Sent; N =< Answered ->
    {[], false, none, Session};
answered(N, #{sent := Sent, waiting := Waiting, periodic := Periodic} = Session) ->
    {Unread, Read} = lists:partition(fun({Ping, _}) -> Ping > N end, Waiting),
    IsPeriodic = Periodic > 0 andalso Periodic =< N,
    Next = Session#{answered := N, waiting := Unread, size := length(Unread),
                    periodic := case IsPeriodic of true -> 0; false -> Periodic end},
    Messages = lists:reverse([Message || {_, Message} <- Read]),
    case Sent =:= N andalso Unread =/= [] of
        true -> {Messages, IsPeriodic, Sent + 1, Next#{sent := Sent + 1}};
        false -> {Messages, IsPeriodic, none, Next}
    end.

%% The next periodic ping. It always has a new number, so a lost answer delays the reports by one interval at most.
-spec periodic_ping(session()) -> {pos_integer(), session()}.
periodic_ping(#{sent := Sent} = Session) ->
    {Sent + 1, Session#{sent := Sent + 1, periodic := Sent + 1}}.

-spec unanswered(pos_integer(), session()) -> boolean().
unanswered(N, #{answered := Answered}) ->
    Answered < N.

-spec ping_id(pos_integer()) -> binary().
ping_id(N) ->
    <<?PREFIX, (integer_to_binary(N))/binary>>.

%% True if the id is that of a ping, or looks like one.
-spec is_ping(binary()) -> boolean().
is_ping(<<?PREFIX, _/binary>>) -> true;
is_ping(_) -> false.

%% 0 for an id with our prefix and no number. The time for a number grows with the square of its length.
-spec ping_number(binary()) -> non_neg_integer().
ping_number(<<?PREFIX, Digits/binary>>) when byte_size(Digits) =< ?MAX_DIGITS ->
    try max(0, binary_to_integer(Digits))
    catch error:badarg -> 0
    end;
ping_number(_) ->
    0.
