%%% What a session of an operator remembers of pings: which have been sent, which were answered, and which messages wait
%%% behind which. Pure; the value lives in the state of ejabberd's session process, goes with it when the session is
%%% resumed by another process, and ends with it.
%%%
%%% Pings are numbered. A client reads its stream in order, so the answer to ping n says that it has read everything
%%% that was routed before n. One ping at a time is under way for messages: those that come meanwhile share the next.

-module(mod_lhc_session).

-export([new/0, routed/3, received/3, answered/2, tick/1, overdue/2, waiting/1]).
-export([ping_id/1, ping_number/1]).

-type message() :: {Visitor :: binary(), Id :: binary()}.

-opaque session() :: #{sent := non_neg_integer(),
                       answered := non_neg_integer(),
                       %% The last ping that is to be reported as one, 0 when it was.
                       periodic := non_neg_integer(),
                       %% Newest first, each with the number of the ping that is behind it.
                       waiting := [{pos_integer(), message()}],
                       size := non_neg_integer()}.

-export_type([session/0]).

%% A client that never answers must not fill the memory. ejabberd ends a session with as many unread stanzas anyway.
-define(MAX_WAITING, 1000).
-define(PREFIX, "lhc-ping-").

-spec new() -> session().
new() ->
    #{sent => 0, answered => 0, periodic => 0, waiting => [], size => 0}.

%% A visitor's message goes to the client: {Number of the ping to send behind it, or none}.
-spec routed(binary(), binary(), session()) -> {pos_integer() | none, session()}.
routed(Visitor, Id, #{sent := Sent, answered := Answered, waiting := Waiting, size := Size} = Session) ->
    Added = trim(Session#{waiting := [{Sent + 1, {Visitor, Id}} | Waiting], size := Size + 1}),
    case Sent =:= Answered of
        true -> {Sent + 1, Added#{sent := Sent + 1}};
        false -> {none, Added}
    end.

trim(#{size := Size, waiting := Waiting} = Session) when Size > 2 * ?MAX_WAITING ->
    Session#{waiting := lists:sublist(Waiting, ?MAX_WAITING), size := ?MAX_WAITING};
trim(Session) ->
    Session.

%% The client sent a receipt for the message: it waits no longer.
-spec received(binary(), binary(), session()) -> session().
received(Visitor, Id, #{waiting := Waiting} = Session) ->
    Left = [Entry || {_, Message} = Entry <- Waiting, Message =/= {Visitor, Id}],
    Session#{waiting := Left, size := length(Left)}.

%% The client answered ping n: the messages it has by that (oldest first), whether that is to be reported as a ping,
%% and the ping to send for those that came meanwhile. An old answer or a strange one changes nothing.
-spec answered(integer(), session()) -> {[message()], boolean(), pos_integer() | none, session()}.
answered(N, #{sent := Sent, answered := Answered} = Session) when N > Sent; N =< Answered ->
    {[], false, none, Session};
answered(N, #{sent := Sent, waiting := Waiting, periodic := Periodic} = Session) ->
    {Left, Read} = lists:partition(fun({Ping, _}) -> Ping > N end, Waiting),
    Alive = Periodic > 0 andalso Periodic =< N,
    Done = Session#{answered := N, waiting := Left, size := length(Left),
                    periodic := case Alive of true -> 0; false -> Periodic end},
    Messages = lists:reverse([Message || {_, Message} <- Read]),
    case Sent =:= N andalso Left =/= [] of
        true -> {Messages, Alive, Sent + 1, Done#{sent := Sent + 1}};
        false -> {Messages, Alive, none, Done}
    end.

%% Time for a ping that is reported: always a new one, so a lost answer holds up nothing for longer than an interval.
-spec tick(session()) -> {pos_integer(), session()}.
tick(#{sent := Sent} = Session) ->
    {Sent + 1, Session#{sent := Sent + 1, periodic := Sent + 1}}.

%% Whether that ping still has no answer.
-spec overdue(pos_integer(), session()) -> boolean().
overdue(N, #{answered := Answered}) ->
    Answered < N.

-spec waiting(session()) -> [message()].
waiting(#{waiting := Waiting}) ->
    [Message || {_, Message} <- Waiting].

-spec ping_id(pos_integer()) -> binary().
ping_id(N) ->
    <<?PREFIX, (integer_to_binary(N))/binary>>.

%% 0 for an id that looks like ours and is not; other ids are none of our business.
-spec ping_number(binary()) -> non_neg_integer() | none.
ping_number(<<?PREFIX, Digits/binary>>) ->
    try binary_to_integer(Digits)
    catch error:badarg -> 0
    end;
ping_number(_) ->
    none.
