%%% Rooms of chats: which rooms a session is in, and what the table of messages knows of copies that came by a room. Without
%%% ejabberd.

-module(mod_lhc_room_tests).

-export([entered_test/0, left_test/0, nick_test/0, bound_test/0, ids_test/0, ids_bound_test/0, copies_test/0,
         lost_test/0, stored_test/0, moved_test/0, takers_bound_test/0]).

-define(T, mod_lhc_seen_of_rooms).
-define(V, <<"visitor.1">>).

%% Only the client's own presence counts.
entered_test() ->
    #{} = Others = mod_lhc_room:followed({available, [], <<"Oskar">>}, ?V, #{}),
    0 = map_size(Others),
    #{?V := <<"Olga">>} = mod_lhc_room:followed({available, [100, 110], <<"Olga">>}, ?V, #{}).

%% A room that is destroyed, and on some occasions a kick, send no 110.
left_test() ->
    In = #{?V => <<"Olga">>, <<"visitor.2">> => <<"Olga">>},
    In = mod_lhc_room:followed({unavailable, [], <<"Oskar">>}, ?V, In),
    Out = maps:remove(?V, In),
    Out = mod_lhc_room:followed({unavailable, [110], <<"Olga">>}, ?V, In),
    Out = mod_lhc_room:followed({unavailable, [], <<"Olga">>}, ?V, In),
    Out = mod_lhc_room:followed({unavailable, [110, 307], <<"Olga">>}, ?V, In),
    Out = mod_lhc_room:followed({unavailable, [110], <<"Olga">>}, ?V, Out).

nick_test() ->
    In = #{?V => <<"Olga">>},
    In = mod_lhc_room:followed({unavailable, [110, 303], <<"Olga">>}, ?V, In),
    Renamed = #{?V => <<"O.">>},
    Renamed = mod_lhc_room:followed({available, [110], <<"O.">>}, ?V, In),
    %% A colleague may take the old nick, and leave.
    Renamed = mod_lhc_room:followed({unavailable, [], <<"Olga">>}, ?V, Renamed).

bound_test() ->
    All = lists:foldl(fun(N, Rooms) -> mod_lhc_room:followed({available, [110], <<"O">>}, integer_to_binary(N), Rooms) end,
                      #{}, lists:seq(1, 30)),
    20 = map_size(All),
    #{<<"1">> := <<"P">>} = mod_lhc_room:followed({available, [110], <<"P">>}, <<"1">>, All).

ids_test() ->
    Ids = mod_lhc_room:remembered(<<"2">>, <<"b">>, mod_lhc_room:remembered(<<"1">>, <<"a">>, [])),
    State = #{mod_lhc_room_ids => Ids},
    {<<"a">>, <<"b">>, <<"c">>} = {named(<<"1">>, State), named(<<"2">>, State), named(<<"c">>, State)},
    <<"1">> = named(<<"1">>, #{}).

%% The last ones stay, each once, none that is too long, and nothing of the stanzas that they came in.
ids_bound_test() ->
    Text = binary:copy(<<"x">>, 1000),
    Part = binary:part(Text, 0, 100),
    [{One, Other}] = mod_lhc_room:remembered(Part, Part, [{Part, <<"before">>}]),
    {100, 100} = {binary:referenced_byte_size(One), binary:referenced_byte_size(Other)},
    [[] = mod_lhc_room:remembered(A, B, []) || {A, B} <- [{<<>>, <<"a">>}, {Text, <<"a">>}, {<<"a">>, Text}]],
    All = lists:foldl(fun(N, Ids) -> mod_lhc_room:remembered(integer_to_binary(N), <<"a">>, Ids) end, [], lists:seq(1, 500)),
    {200, {<<"500">>, <<"a">>}} = {length(All), hd(All)}.

named(Id, State) ->
    mod_lhc_room:message_id(Id, State).

%% What came by the room is no repeat of the private copy, and the private copy is one of itself.
copies_test() ->
    with_table(fun() ->
        Self = self(),
        add({room, Self}),
        {unknown, true, false} = {status(), in({room, Self}), in(Self)},
        first = mod_lhc_seen:mark_delivered(?T, <<"o">>, ?V, <<"m">>, ping),
        {read_in_room, ping} = status(),
        again = mod_lhc_seen:mark_delivered(?T, <<"o">>, ?V, <<"m">>, ping),
        add(Self),
        {delivered, ping} = status(),
        {true, true} = {in({room, Self}), in(Self)}
    end).

%% The session has ended before its client has answered.
lost_test() ->
    with_table(fun() ->
        [add(Taker) || Taker <- [{room, self()}, self()]],
        {routed, [_]} = status(),
        ok = mod_lhc_seen:remove_session(?T, <<"o">>, ?V, <<"m">>, self()),
        {unknown, false, false} = {status(), in({room, self()}), in(self())}
    end).

%% The private copy is in offline storage. The room's copy does not take it out.
stored_test() ->
    with_table(fun() ->
        ok = mod_lhc_seen:mark_offline(?T, <<"o">>, ?V, <<"m">>),
        add({room, self()}),
        offline = status()
    end).

%% Another process resumes the session.
moved_test() ->
    Other = spawn(fun() -> receive stop -> ok end end),
    Move = fun() -> ok = mod_lhc_seen:move_session(?T, <<"o">>, ?V, <<"m">>, self(), Other) end,
    with_table(fun() ->
        add({room, self()}),
        Move(),
        {false, true, false} = {in({room, self()}), in({room, Other}), in(Other)}
    end),
    with_table(fun() ->
        [add(Taker) || Taker <- [{room, self()}, self()]],
        Move(),
        {false, true, true} = {in(self()), in({room, Other}), in(Other)}
    end),
    %% A message that the table has forgotten.
    with_table(fun() -> Move(), {routed, [Other]} = status() end),
    Other ! stop.

%% Ten sessions, as ejabberd allows them, each with two copies. More do not make the row longer.
takers_bound_test() ->
    Pids = [spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, 11)],
    with_table(fun() ->
        [ok = add(Taker) || Pid <- Pids, Taker <- [{room, Pid}, Pid]],
        {routed, Alive} = status(),
        {10, true, false} = {length(Alive), in({room, lists:nth(2, Pids)}), in(hd(Pids))}
    end),
    [Pid ! stop || Pid <- Pids].

add(Taker) -> ok = mod_lhc_seen:add_session(?T, <<"o">>, ?V, <<"m">>, Taker).
in(Taker) -> mod_lhc_seen:in_session(?T, <<"o">>, ?V, <<"m">>, Taker).
status() -> mod_lhc_seen:status(?T, <<"o">>, ?V, <<"m">>).

with_table(Test) ->
    ?T = mod_lhc_seen:new(?T),
    try Test()
    after ets:delete(?T)
    end.
