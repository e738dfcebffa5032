%%% The parts without ejabberd and without files: JSON, signatures, pauses, pings, messages seen.

-module(mod_lhc_pure_tests).

-export([json_test/0, json_boolean_test/0, asked_test/0, replaces_test/0, unsupported_test/0, signature_test/0,
         webhook_id_test/0, backoff_test/0, one_ping_test/0, later_share_test/0, stranger_test/0, periodic_test/0, lost_ping_test/0, receipt_test/0, waiting_bound_test/0, ping_id_test/0,
         seen_test/0, seen_dead_test/0, seen_bound_test/0, seen_forget_test/0,
         seen_together_test_/0]).

-include("xmpp.hrl").

-define(T, mod_lhc_seen_under_test).

json_test() ->
    Text = <<"\"\\/\b\n\r\t", 1, 127, "ä🙂"/utf8>>,
    <<"{\"a\":1,\"b\":{\"\":\"x\"},\"c\":[\"y\",\"z\"],\"d\":\"",
      "\\\"\\\\/\\u0008\\n\\r\\t\\u0001\\u007fä🙂"/utf8, "\",\"e\":\"atom\",\"f\":[],\"g\":{}}">> =
        iolist_to_binary(mod_lhc_json:object([{a, 1}, {b, {[{<<>>, <<"x">>}]}}, {c, [<<"y">>, <<"z">>]}, {d, Text},
                                              {e, atom}, {f, []}, {g, {[]}}])).

%% No texts, as other atoms are.
json_boolean_test() ->
    <<"{\"a\":true,\"b\":[false],\"c\":\"undefined\"}">> =
        iolist_to_binary(mod_lhc_json:object([{a, true}, {b, [false]}, {c, undefined}])).

%% What a client asks for with its message, as stanzas come: decoded by ejabberd, or not.
asked_test() ->
    Receipt = xml(<<"request">>, <<"urn:xmpp:receipts">>),
    Markable = xml(<<"markable">>, <<"urn:xmpp:chat-markers:0">>),
    Others = [xml(<<"active">>, <<"http://jabber.org/protocol/chatstates">>),
              xml(<<"request">>, <<"urn:example:other">>), xml(<<"received">>, <<"urn:xmpp:receipts">>)],
    [] = mod_lhc_hooks:asked(<<"m">>, Others),
    [{receipt, true}] = mod_lhc_hooks:asked(<<"m">>, [Receipt | Others]),
    [{markable, true}] = mod_lhc_hooks:asked(<<"m">>, Others ++ [Markable]),
    [{receipt, true}, {markable, true}] = mod_lhc_hooks:asked(<<"m">>, [Markable, Receipt, Receipt]),
    [] = mod_lhc_hooks:asked(<<>>, [Receipt, Markable]).

replaces_test() ->
    Other = xml(<<"replace">>, <<"urn:example:other">>, [{<<"id">>, <<"m1">>}], []),
    Replace = xml(<<"replace">>, <<"urn:xmpp:message-correct:0">>, [{<<"id">>, <<"m1">>}], []),
    [] = mod_lhc_hooks:replaces([Other, xml(<<"replace">>, <<"urn:xmpp:message-correct:0">>)]),
    [{replaces, <<"m1">>}] = mod_lhc_hooks:replaces([Other, Replace, Replace]).

%% What clients send that is no text for a visitor, with and without the text that goes with it.
unsupported_test() ->
    Text = [#text{data = <<"I sent you an OMEMO encrypted message">>}],
    Of = fun(Body, Els) -> mod_lhc_hooks:unsupported(#message{body = Body, sub_els = Els}) end,
    none = Of(Text, []),
    none = Of([], [xml(<<"active">>, <<"http://jabber.org/protocol/chatstates">>)]),
    Payload = xml(<<"payload">>, <<>>),
    [begin
         encrypted = Of(Text, [xml(<<"encrypted">>, Omemo)]),
         encrypted = Of([], [xml(<<"encrypted">>, Omemo, [], [Payload])]),
         none = Of([], [xml(<<"encrypted">>, Omemo)])
     end || Omemo <- [<<"eu.siacs.conversations.axolotl">>, <<"urn:xmpp:omemo:2">>]],
    encrypted = Of([], [xml(<<"openpgp">>, <<"urn:xmpp:openpgp:0">>)]),
    encrypted = Of(Text, [xml(<<"x">>, <<"jabber:x:encrypted">>)]),
    none = Of(Text, [xml(<<"x">>, <<"jabber:x:oob">>)]),
    encrypted = Of(Text, [xml(<<"encryption">>, <<"urn:xmpp:eme:0">>)]),
    none = Of([], [xml(<<"encryption">>, <<"urn:xmpp:eme:0">>)]),
    encrypted = Of([#text{data = <<"?OTRv23?">>}], []),
    retraction = Of(Text, [xml(<<"retract">>, <<"urn:xmpp:message-retract:1">>)]),
    retraction = Of([], [xml(<<"apply-to">>, <<"urn:xmpp:fasten:0">>, [],
                             [xml(<<"retract">>, <<"urn:xmpp:message-retract:0">>)])]),
    Reaction = xml(<<"reactions">>, <<"urn:xmpp:reactions:0">>, [], [xml(<<"reaction">>, <<>>)]),
    reaction = Of([], [Reaction]),
    none = Of(Text, [Reaction]),
    none = Of([], [xml(<<"reactions">>, <<"urn:xmpp:reactions:0">>)]).

%% The example of the Standard Webhooks specification's reference libraries.
signature_test() ->
    Key = base64:decode(<<"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw">>),
    <<"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=">> =
        mod_lhc_sender:signature(Key, <<"msg_p5jXN8AQM9LWM0D4loKWxJek">>, <<"1614265330">>, <<"{\"test\": 2432232314}">>).

webhook_id_test() ->
    <<"id_1_20">> = mod_lhc_sender:webhook_id(<<"id">>, 1, 20).

backoff_test() ->
    100 = mod_lhc_sender:backoff(0, 10000, 0.0),
    200 = mod_lhc_sender:backoff(0, 10000, 1.0),
    800 = mod_lhc_sender:backoff(2, 10000, 1.0),
    10000 = mod_lhc_sender:backoff(1000000, 10000, 1.0),
    5000 = mod_lhc_sender:backoff(1000000, 10000, 0.0).

one_ping_test() ->
    {1, S} = routed(m1, mod_lhc_session:new()),
    {[{<<"v">>, <<"m1">>}], false, none, Done} = mod_lhc_session:answered(1, S),
    [] = mod_lhc_session:waiting(Done),
    {2, _} = routed(m2, Done).

%% Those that come while a ping is under way share the next one.
later_share_test() ->
    {1, S1} = routed(m1, mod_lhc_session:new()),
    {none, S2} = routed(m2, S1),
    {none, S3} = routed(m3, S2),
    {[{_, <<"m1">>}], false, 2, S4} = mod_lhc_session:answered(1, S3),
    {none, S5} = routed(m4, S4),
    {[{_, <<"m2">>}, {_, <<"m3">>}], false, 3, S6} = mod_lhc_session:answered(2, S5),
    {[{_, <<"m4">>}], false, none, _} = mod_lhc_session:answered(3, S6).

%% Answers to pings that were not sent, or twice, say nothing.
stranger_test() ->
    {1, S} = routed(m1, mod_lhc_session:new()),
    {[], false, none, S} = mod_lhc_session:answered(7, S),
    {[], false, none, S} = mod_lhc_session:answered(0, S),
    {_, _, _, Done} = mod_lhc_session:answered(1, S),
    {[], false, none, Done} = mod_lhc_session:answered(1, Done).

periodic_test() ->
    {1, S1} = mod_lhc_session:tick(mod_lhc_session:new()),
    true = mod_lhc_session:overdue(1, S1),
    {none, S2} = routed(m1, S1),
    {[], true, 2, S3} = mod_lhc_session:answered(1, S2),
    false = mod_lhc_session:overdue(1, S3),
    %% A ping for messages is not reported as one.
    {[_], false, none, S4} = mod_lhc_session:answered(2, S3),
    {3, S5} = mod_lhc_session:tick(S4),
    {4, S6} = mod_lhc_session:tick(S5),
    {[], false, none, S7} = mod_lhc_session:answered(3, S6),
    {[], true, none, _} = mod_lhc_session:answered(4, S7).

%% An answer that never comes holds up nothing: a later one covers it.
lost_ping_test() ->
    {1, S1} = routed(m1, mod_lhc_session:new()),
    {none, S2} = routed(m2, S1),
    {2, S3} = mod_lhc_session:tick(S2),
    {[{_, <<"m1">>}, {_, <<"m2">>}], true, none, _} = mod_lhc_session:answered(2, S3).

receipt_test() ->
    {1, S1} = routed(m1, mod_lhc_session:new()),
    {none, S2} = routed(m2, S1),
    S3 = mod_lhc_session:received(<<"v">>, <<"m1">>, S2),
    S4 = mod_lhc_session:received(<<"v">>, <<"m2">>, S3),
    {[], false, none, _} = mod_lhc_session:answered(1, S4).

waiting_bound_test() ->
    S = lists:foldl(fun(N, Acc) -> element(2, routed(N, Acc)) end, mod_lhc_session:new(), lists:seq(1, 5000)),
    Waiting = mod_lhc_session:waiting(S),
    true = length(Waiting) =< 2000,
    {<<"v">>, <<"5000">>} = hd(Waiting).

ping_id_test() ->
    17 = mod_lhc_session:ping_number(mod_lhc_session:ping_id(17)),
    none = mod_lhc_session:ping_number(<<"17">>),
    none = mod_lhc_session:ping_number(<<>>),
    0 = mod_lhc_session:ping_number(<<"lhc-ping-x">>).

seen_test() ->
    with_table(fun() ->
        Self = self(),
        unknown = place(<<"m">>),
        ok = mod_lhc_seen:routed(?T, <<"o">>, <<"v">>, <<"m">>, Self),
        {routed, [Self]} = place(<<"m">>),
        true = mod_lhc_seen:has(?T, <<"o">>, <<"v">>, <<"m">>, Self),
        unknown = mod_lhc_seen:place(?T, <<"other">>, <<"v">>, <<"m">>),
        unknown = mod_lhc_seen:place(?T, <<"o">>, <<"other">>, <<"m">>),
        first = mod_lhc_seen:delivered(?T, <<"o">>, <<"v">>, <<"m">>, ping),
        again = mod_lhc_seen:delivered(?T, <<"o">>, <<"v">>, <<"m">>, receipt),
        {delivered, ping} = place(<<"m">>),
        %% Nothing takes that back.
        ok = mod_lhc_seen:stored(?T, <<"o">>, <<"v">>, <<"m">>),
        ok = mod_lhc_seen:routed(?T, <<"o">>, <<"v">>, <<"m">>, Self),
        {delivered, ping} = place(<<"m">>),
        ok = mod_lhc_seen:stored(?T, <<"o">>, <<"v">>, <<"off">>),
        offline = place(<<"off">>),
        ok = mod_lhc_seen:routed(?T, <<"o">>, <<"v">>, <<"off">>, Self),
        {routed, [Self]} = place(<<"off">>),
        ok = mod_lhc_seen:left(?T, <<"o">>, <<"v">>, <<"off">>, Self),
        unknown = place(<<"off">>)
    end).

seen_dead_test() ->
    with_table(fun() ->
        {Pid, Ref} = spawn_monitor(fun() -> ok end),
        receive {'DOWN', Ref, _, _, _} -> ok end,
        ok = mod_lhc_seen:routed(?T, <<"o">>, <<"v">>, <<"m">>, Pid),
        unknown = place(<<"m">>),
        ok = mod_lhc_seen:moved(?T, <<"o">>, <<"v">>, <<"m">>, Pid, self()),
        {routed, [_]} = place(<<"m">>)
    end).

%% The last 1,000 of each operator, and nothing else stays.
seen_bound_test() ->
    with_table(fun() ->
        [first = mod_lhc_seen:delivered(?T, Operator, <<"v">>, integer_to_binary(N), ping)
         || N <- lists:seq(1, 1500), Operator <- [<<"o">>, <<"p">>]],
        unknown = place(<<"500">>),
        {delivered, ping} = place(<<"501">>),
        {delivered, ping} = place(<<"1500">>),
        4002 = ets:info(?T, size)
    end).

seen_forget_test() ->
    with_table(fun() ->
        [first = mod_lhc_seen:delivered(?T, Operator, <<"v">>, integer_to_binary(N), ping)
         || N <- lists:seq(1, 1200), Operator <- [<<"o">>, <<"p">>]],
        ok = mod_lhc_seen:forget(?T, <<"o">>),
        ok = mod_lhc_seen:forget(?T, <<"nobody">>),
        unknown = place(<<"1200">>),
        2001 = ets:info(?T, size)
    end).

%% Several sessions of an operator get a message and answer for it at once: it is reported once, and that stays.
seen_together_test_() ->
    {timeout, 30, fun() -> with_table(fun() -> [together(N) || N <- lists:seq(1, 2000)] end) end}.

together(N) ->
    Id = integer_to_binary(N),
    Answers = [spawn_answer(Id) || _ <- lists:seq(1, 6)],
    Said = [receive {Ref, Answer} -> Answer end || Ref <- Answers],
    [first] = [Answer || Answer <- Said, Answer =:= first],
    {delivered, ping} = place(Id).

spawn_answer(Id) ->
    Test = self(),
    Ref = make_ref(),
    spawn_link(fun() ->
        ok = mod_lhc_seen:routed(?T, <<"o">>, <<"v">>, Id, self()),
        Test ! {Ref, mod_lhc_seen:delivered(?T, <<"o">>, <<"v">>, Id, ping)}
    end),
    Ref.

xml(Name, Space) ->
    xml(Name, Space, [], []).

xml(Name, Space, Attrs, Children) ->
    {xmlel, Name, [{<<"xmlns">>, Space} | Attrs], Children}.

place(Id) ->
    mod_lhc_seen:place(?T, <<"o">>, <<"v">>, Id).

with_table(Test) ->
    mod_lhc_seen:new(?T),
    try Test()
    after ets:delete(?T)
    end.

routed(Id, Session) when is_atom(Id) ->
    mod_lhc_session:routed(<<"v">>, atom_to_binary(Id, utf8), Session);
routed(Id, Session) ->
    mod_lhc_session:routed(<<"v">>, integer_to_binary(Id), Session).
