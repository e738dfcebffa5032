%%% The parts that need neither ejabberd nor files: JSON, UUIDs, signatures, backoff, names, bounds of stanzas and of sessions,
%%% pings, the table of messages.

-module(mod_lhc_pure_tests).

-export([json_test/0, json_boolean_test/0, requests_test/0, replaces_test/0, reply_test/0, unsupported_test/0,
         retraction_test/0, reaction_test/0, uuid_test/0,
         signature_test/0, webhook_id_test/0, backoff_test/0, life_test/0, one_ping_test/0, shared_ping_test/0,
         unknown_ping_test/0, periodic_test/0, lost_ping_test/0, receipt_test/0, messages_bound_test/0,
         ping_id_test/0, long_ping_id_test/0, visitor_names_test/0, desk_names_test/0, seen_address_test/0, operator_names_test/0, bucket_test/0,
         bucket_clock_test/0, limits_test/0, limits_bound_test/0, limits_cancel_test/0, usage_test/0,
         usage_sum_test/0, fault_test/0, cut_test/0, status_test/0, signals_test/0, crash_test/0, seen_known_test/0, seen_test/0, seen_dead_test/0, seen_bound_test/0, seen_forget_test/0, seen_race_test_/0]).

-include("xmpp.hrl").

-define(T, mod_lhc_seen_under_test).

json_test() ->
    Text = <<"\"\\/\b\n\r\t", 1, 127, "ä🙂"/utf8>>,
    <<"{\"a\":1,\"b\":{\"\":\"x\"},\"c\":[\"y\",\"z\"],\"d\":\"",
      "\\\"\\\\/\\u0008\\n\\r\\t\\u0001\\u007fä🙂"/utf8, "\",\"e\":\"atom\",\"f\":[],\"g\":{}}">> =
        iolist_to_binary(mod_lhc_json:object([{a, 1}, {b, {[{<<>>, <<"x">>}]}}, {c, [<<"y">>, <<"z">>]}, {d, Text},
                                              {e, atom}, {f, []}, {g, {[]}}])).

%% true and false are booleans; other atoms are texts.
json_boolean_test() ->
    <<"{\"a\":true,\"b\":[false],\"c\":\"undefined\"}">> =
        iolist_to_binary(mod_lhc_json:object([{a, true}, {b, [false]}, {c, undefined}])).

%% The elements of a message can be decoded by ejabberd or not.
requests_test() ->
    Receipt = xml(<<"request">>, <<"urn:xmpp:receipts">>),
    Markable = xml(<<"markable">>, <<"urn:xmpp:chat-markers:0">>),
    Others = [xml(<<"active">>, <<"http://jabber.org/protocol/chatstates">>),
              xml(<<"request">>, <<"urn:example:other">>), xml(<<"received">>, <<"urn:xmpp:receipts">>)],
    [] = mod_lhc_stanza:requests(<<"m">>, Others),
    [{receipt, true}] = mod_lhc_stanza:requests(<<"m">>, [Receipt | Others]),
    [{markable, true}] = mod_lhc_stanza:requests(<<"m">>, Others ++ [Markable]),
    [{receipt, true}, {markable, true}] = mod_lhc_stanza:requests(<<"m">>, [Markable, Receipt, Receipt]),
    [] = mod_lhc_stanza:requests(<<>>, [Receipt, Markable]).

replaces_test() ->
    Other = xml(<<"replace">>, <<"urn:example:other">>, [{<<"id">>, <<"m1">>}], []),
    Replace = xml(<<"replace">>, <<"urn:xmpp:message-correct:0">>, [{<<"id">>, <<"m1">>}], []),
    [] = mod_lhc_stanza:replaces([Other, xml(<<"replace">>, <<"urn:xmpp:message-correct:0">>)]),
    [{replaces, <<"m1">>}] = mod_lhc_stanza:replaces([Other, Replace, Replace]).

%% Each kind of content that a visitor cannot be shown, with and without its text.
unsupported_test() ->
    Text = [#text{data = <<"I sent you an OMEMO encrypted message">>}],
    Kind = fun(Body, Els) -> mod_lhc_stanza:unsupported(#message{body = Body, sub_els = Els}) end,
    none = Kind(Text, []),
    none = Kind([], [xml(<<"active">>, <<"http://jabber.org/protocol/chatstates">>)]),
    Payload = xml(<<"payload">>, <<>>),
    [begin
         encrypted = Kind(Text, [xml(<<"encrypted">>, Omemo)]),
         encrypted = Kind([], [xml(<<"encrypted">>, Omemo, [], [Payload])]),
         none = Kind([], [xml(<<"encrypted">>, Omemo)])
     end || Omemo <- [<<"eu.siacs.conversations.axolotl">>, <<"urn:xmpp:omemo:2">>]],
    encrypted = Kind([], [xml(<<"openpgp">>, <<"urn:xmpp:openpgp:0">>)]),
    encrypted = Kind(Text, [xml(<<"x">>, <<"jabber:x:encrypted">>)]),
    none = Kind(Text, [xml(<<"x">>, <<"jabber:x:oob">>)]),
    encrypted = Kind(Text, [xml(<<"encryption">>, <<"urn:xmpp:eme:0">>)]),
    none = Kind([], [xml(<<"encryption">>, <<"urn:xmpp:eme:0">>)]),
    encrypted = Kind([#text{data = <<"?OTRv23?">>}], []),
    retraction = Kind(Text, [xml(<<"retract">>, <<"urn:xmpp:message-retract:1">>)]),
    retraction = Kind([], [xml(<<"apply-to">>, <<"urn:xmpp:fasten:0">>, [],
                             [xml(<<"retract">>, <<"urn:xmpp:message-retract:0">>)])]),
    Reaction = xml(<<"reactions">>, <<"urn:xmpp:reactions:0">>, [], [xml(<<"reaction">>, <<>>)]),
    reaction = Kind([], [Reaction]),
    none = Kind(Text, [Reaction]),
    reaction = Kind(Text, [Reaction, fallback(<<"urn:xmpp:reactions:0">>, [])]),
    none = Kind(Text, [Reaction, fallback(<<"urn:xmpp:reply:0">>, [])]),
    reaction = Kind([], [xml(<<"reactions">>, <<"urn:xmpp:reactions:0">>)]).

%% Which message is taken back; what names none is content that cannot be passed on.
retraction_test() ->
    Content = fun(El) -> mod_lhc_stanza:content(#message{id = <<"i">>, body = [#text{data = <<"x">>}], sub_els = [El]}) end,
    {retraction, [{id, <<"i">>}, {retracts, <<"m1">>}]} =
        Content(xml(<<"retract">>, <<"urn:xmpp:message-retract:1">>, [{<<"id">>, <<"m1">>}], [])),
    {retraction, [{id, <<"i">>}, {retracts, <<"m2">>}]} =
        Content(xml(<<"apply-to">>, <<"urn:xmpp:fasten:0">>, [{<<"id">>, <<"m2">>}],
                    [xml(<<"retract">>, <<"urn:xmpp:message-retract:0">>)])),
    {unsupported, [{id, <<"i">>}, {what, retraction}]} = Content(xml(<<"retract">>, <<"urn:xmpp:message-retract:1">>)),
    Long = binary:copy(<<"x">>, 257),
    <<"The id of the retracted message is too long", _/binary>> =
        mod_lhc_stanza:fault(#message{sub_els = [xml(<<"retract">>, <<"urn:xmpp:message-retract:1">>, [{<<"id">>, Long}], [])]}, 100).

%% The whole set, in order and each once; none is a removal.
reaction_test() ->
    Message = fun(Texts) ->
                      Children = [#xmlel{name = <<"reaction">>, children = [{xmlcdata, Text}]} || Text <- Texts],
                      #message{id = <<"i">>, sub_els = [xml(<<"reactions">>, <<"urn:xmpp:reactions:0">>, [{<<"id">>, <<"m1">>}], Children)]}
              end,
    Reactions = fun(Texts) ->
                        {reaction, [{id, <<"i">>}, {reactsTo, <<"m1">>}, {reactions, Found}]} = mod_lhc_stanza:content(Message(Texts)),
                        none = mod_lhc_stanza:fault(Message(Texts), 100),
                        Found
                end,
    [] = Reactions([]),
    [<<"b">>, <<"a">>] = Reactions([<<"b">>, <<"a">>, <<"b">>, <<>>]),
    <<"The message has too many reactions", _/binary>> =
        mod_lhc_stanza:fault(Message([integer_to_binary(N) || N <- lists:seq(1, 30)]), 100),
    <<"A reaction is too long", _/binary>> = mod_lhc_stanza:fault(Message([binary:copy(<<"x">>, 65)]), 100),
    {unsupported, [{id, <<"i">>}, {what, reaction}]} =
        mod_lhc_stanza:content(#message{id = <<"i">>, sub_els = [xml(<<"reactions">>, <<"urn:xmpp:reactions:0">>)]}).

reply_test() ->
    Reply = xml(<<"reply">>, <<"urn:xmpp:reply:0">>, [{<<"id">>, <<"m1">>}], []),
    Quote = fun(Start, End) ->
                    Part = #xmlel{name = <<"body">>, attrs = [{<<"start">>, Start}, {<<"end">>, End}]},
                    mod_lhc_stanza:reply([Reply, fallback(<<"urn:xmpp:reply:0">>, [Part])])
            end,
    [] = mod_lhc_stanza:reply([xml(<<"reply">>, <<"urn:xmpp:reply:0">>)]),
    [{replyTo, <<"m1">>}] = mod_lhc_stanza:reply([Reply]),
    [{replyTo, <<"m1">>}, {quote, [0, 12]}] = Quote(<<"0">>, <<"12">>),
    [[{replyTo, <<"m1">>}] = Quote(Start, End) || {Start, End} <- [{<<>>, <<>>}, {<<"-1">>, <<"3">>}, {<<"a">>, <<"3">>},
                                                                    {<<"3">>, <<"3">>}, {<<"0">>, <<"1234567890">>}]],
    [{replyTo, <<"m1">>}] = mod_lhc_stanza:reply([Reply, fallback(<<"urn:xmpp:reactions:0">>, [])]).

fallback(For, Children) ->
    xml(<<"fallback">>, <<"urn:xmpp:fallback:0">>, [{<<"for">>, For}], Children).

uuid_test() ->
    Text = mod_lhc_uuid:text(mod_lhc_uuid:new()),
    match = re:run(Text, "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", [{capture, none}]),
    true = Text =/= mod_lhc_uuid:text(mod_lhc_uuid:new()).

%% The example of the Standard Webhooks reference libraries.
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

%% Whatever the client sends counts, silence after the login does not, and who says nothing for long is dead.
life_test() ->
    Limits = #{ping_grace => 180, silence_timeout => 300},
    New = mod_lhc_life:new(0),
    {early, New} = mod_lhc_life:judge(60, 90, Limits, New),
    {false, Heard} = mod_lhc_life:heard(130, New),
    {alive, Heard} = mod_lhc_life:judge(120, 150, Limits, Heard),
    {silent, Silent} = mod_lhc_life:judge(180, 210, Limits, Heard),
    {silent, Silent} = mod_lhc_life:judge(360, 429, Limits, Silent),
    {dead, _} = mod_lhc_life:judge(400, 430, Limits, Silent),
    {silent, _} = mod_lhc_life:judge(400, 100000, Limits#{silence_timeout := infinity}, Silent),
    {true, Back} = mod_lhc_life:heard(430, Silent),
    {false, _} = mod_lhc_life:heard(431, Back).

one_ping_test() ->
    {1, S} = add_message(m1, mod_lhc_session:new()),
    {[{<<"v">>, <<"m1">>}], false, none, Done} = mod_lhc_session:answered(1, S),
    [] = mod_lhc_session:messages(Done),
    {2, _} = add_message(m2, Done).

%% Messages that come while a ping is in progress share the next one.
shared_ping_test() ->
    {1, S1} = add_message(m1, mod_lhc_session:new()),
    {none, S2} = add_message(m2, S1),
    {none, S3} = add_message(m3, S2),
    {[{_, <<"m1">>}], false, 2, S4} = mod_lhc_session:answered(1, S3),
    {none, S5} = add_message(m4, S4),
    {[{_, <<"m2">>}, {_, <<"m3">>}], false, 3, S6} = mod_lhc_session:answered(2, S5),
    {[{_, <<"m4">>}], false, none, _} = mod_lhc_session:answered(3, S6).

%% Answers to unknown pings and second answers change nothing.
unknown_ping_test() ->
    {1, S} = add_message(m1, mod_lhc_session:new()),
    {[], false, none, S} = mod_lhc_session:answered(7, S),
    {[], false, none, S} = mod_lhc_session:answered(0, S),
    {_, _, _, Done} = mod_lhc_session:answered(1, S),
    {[], false, none, Done} = mod_lhc_session:answered(1, Done).

periodic_test() ->
    {1, S1} = mod_lhc_session:periodic_ping(mod_lhc_session:new()),
    true = mod_lhc_session:unanswered(1, S1),
    {none, S2} = add_message(m1, S1),
    {[], true, 2, S3} = mod_lhc_session:answered(1, S2),
    false = mod_lhc_session:unanswered(1, S3),
    %% The answer to a ping for messages is not reported.
    {[_], false, none, S4} = mod_lhc_session:answered(2, S3),
    {3, S5} = mod_lhc_session:periodic_ping(S4),
    {4, S6} = mod_lhc_session:periodic_ping(S5),
    {[], false, none, S7} = mod_lhc_session:answered(3, S6),
    {[], true, none, _} = mod_lhc_session:answered(4, S7).

%% A lost answer blocks nothing: a later one covers it.
lost_ping_test() ->
    {1, S1} = add_message(m1, mod_lhc_session:new()),
    {none, S2} = add_message(m2, S1),
    {2, S3} = mod_lhc_session:periodic_ping(S2),
    {[{_, <<"m1">>}, {_, <<"m2">>}], true, none, _} = mod_lhc_session:answered(2, S3).

receipt_test() ->
    {1, S1} = add_message(m1, mod_lhc_session:new()),
    {none, S2} = add_message(m2, S1),
    S3 = mod_lhc_session:remove_message(<<"v">>, <<"m1">>, S2),
    S4 = mod_lhc_session:remove_message(<<"v">>, <<"m2">>, S3),
    {[], false, none, _} = mod_lhc_session:answered(1, S4).

messages_bound_test() ->
    S = lists:foldl(fun(N, Acc) -> element(2, add_message(N, Acc)) end, mod_lhc_session:new(), lists:seq(1, 5000)),
    Messages = mod_lhc_session:messages(S),
    true = length(Messages) =< 2000,
    {<<"v">>, <<"5000">>} = hd(Messages).

ping_id_test() ->
    Id = mod_lhc_session:ping_id(17),
    {true, 17} = {mod_lhc_session:is_ping(Id), mod_lhc_session:ping_number(Id)},
    [{false, 0} = {mod_lhc_session:is_ping(Other), mod_lhc_session:ping_number(Other)} || Other <- [<<"17">>, <<>>]],
    [0 = mod_lhc_session:ping_number(<<"lhc-ping-", Odd/binary>>)
     || Odd <- [<<>>, <<"x">>, <<"-5">>, <<"1 ">>, binary:copy(<<"9">>, 21)]].

%% A number of a million digits took seconds.
long_ping_id_test() ->
    Id = <<"lhc-ping-", (binary:copy(<<"9">>, 1000000))/binary>>,
    {Time, 0} = timer:tc(fun() -> mod_lhc_session:ping_number(Id) end),
    true = Time < 100000.

visitor_names_test() ->
    Of = fun(User) -> mod_lhc_names:visitor(User, <<"visitor.">>) end,
    Long = binary:copy(<<"a">>, 64),
    [{ok, <<>>} = Of(<<"visitor.", Id/binary>>) || Id <- [<<"42">>, <<"a_-9">>, <<"42.chat">>, <<"chat">>, Long]],
    [{ok, <<"acme-1">>} = Of(<<"visitor.", Id/binary, ".acme-1">>) || Id <- [<<"42">>, <<"42.chat">>, <<"chat">>]],
    [unfit = Of(<<"visitor.", Id/binary>>)
     || Id <- [<<>>, <<".">>, <<"A">>, <<"a b">>, <<"a.">>, <<"a.chat.">>, <<".acme">>, <<"a.9x">>, <<"a.chat.chat">>, <<"a.b.c">>,
               <<"a.chat.b.c">>, <<"\\20">>, <<"ä"/utf8>>, <<Long/binary, "a">>, <<"a.", Long/binary>>]],
    [no = Of(User) || User <- [<<"visitor">>, <<"visitors.1">>, <<"olga">>, <<>>]].

%% `visitors` and `visitors.{instance}` speak for the service. Another prefix makes another name.
desk_names_test() ->
    Of = fun(User) -> mod_lhc_names:visitor(User, <<"visitor.">>) end,
    {ok, <<>>} = Of(<<"visitors">>),
    {ok, <<"acme-1">>} = Of(<<"visitors.acme-1">>),
    [no = Of(<<"visitors", Rest/binary>>) || Rest <- [<<".">>, <<".9">>, <<".A">>, <<".chat">>, <<".a.b">>, <<"x">>, <<"-acme">>]],
    [begin
         {ok, <<>>} = mod_lhc_names:visitor(Desk, Prefix),
         {ok, <<"acme">>} = mod_lhc_names:visitor(<<Desk/binary, ".acme">>, Prefix),
         {ok, <<>>} = mod_lhc_names:visitor(<<Prefix/binary, "7">>, Prefix)
     end || {Prefix, Desk} <- [{<<"web-">>, <<"webs">>}, {<<"guest">>, <<"guests">>}, {<<"a.b_">>, <<"a.bs">>}]],
    <<"visitors.acme">> = mod_lhc_names:visitors_group(<<"acme">>).

%% A visitor has the same local part at the host and at the component, and is the same.
seen_address_test() ->
    with_table(fun() ->
        first = mod_lhc_seen:mark_delivered(?T, <<"op">>, <<"visitor.1@h">>, <<"m">>, ping),
        again = mod_lhc_seen:mark_delivered(?T, <<"op">>, <<"visitor.1@visitors.h">>, <<"m">>, ping),
        unknown = mod_lhc_seen:status(?T, <<"op">>, <<"visitor.10@h">>, <<"m">>)
    end).

operator_names_test() ->
    [Instances = mod_lhc_names:instances(User)
     || {Instances, User} <- [{[<<>>], <<"olga">>}, {[<<"acme">>, <<>>], <<"olga.acme">>},
                              {[<<"acme">>, <<>>], <<"o.l.ga.acme">>}, {[<<>>], <<"olga.chat">>},
                              {[<<>>], <<"olga.9">>}, {[<<>>], <<".acme">>}, {[<<>>], <<"olga.">>}]],
    <<"operators">> = mod_lhc_names:group(<<>>),
    <<"operators.acme">> = mod_lhc_names:group(<<"acme">>).

bucket_test() ->
    {Taken, Bucket} = takes(7, 2, 5, 0, mod_lhc_bucket:new()),
    [true, true, true, true, true, false, false] = Taken,
    {[false], Later} = takes(1, 2, 5, 499, Bucket),
    {[true, false], Empty} = takes(2, 2, 5, 500, Later),
    {Full, _} = takes(7, 2, 5, 1000000, Empty),
    Full = Taken.

%% A clock that stands still, or a step back, gives no tokens.
bucket_clock_test() ->
    {_, Bucket} = takes(5, 2, 5, 1000, mod_lhc_bucket:new()),
    {[false, false], _} = takes(2, 2, 5, 0, Bucket).

takes(N, Rate, Burst, Now, Bucket) ->
    lists:mapfoldl(fun(_, Acc) -> mod_lhc_bucket:take(Rate, Burst, Now, Acc) end, Bucket, lists:seq(1, N)).

%% However often a presence changes, the last one is reported, and at most so many.
limits_test() ->
    %% Presences have a rate of their own.
    Rates = (rates())#{signal_rate := 100, signal_burst := 1000},
    {Answers, Limits} = lists:mapfoldl(fun(N, Acc) -> mod_lhc_limits:admit(presence, slow, N, Rates, 0, Acc) end,
                                       mod_lhc_limits:new(), lists:seq(1, 4000)),
    10 = length([now || now <- Answers]),
    1 = length([first || first <- Answers]),
    {[], true, Waiting} = mod_lhc_limits:due(Rates, 100, Limits),
    true = mod_lhc_limits:is_holding(Waiting),
    {[4000], false, Done} = mod_lhc_limits:due(Rates, 1000, Waiting),
    false = mod_lhc_limits:is_holding(Done),
    {[], false, _} = mod_lhc_limits:due(Rates, 9000, Done),
    %% One that is held waits though there are tokens.
    {first, Held} = mod_lhc_limits:hold(presence, slow, 1, Done),
    {later, Newer} = mod_lhc_limits:admit(presence, slow, 2, Rates, 9000, Held),
    {[2], false, _} = mod_lhc_limits:due(Rates, 9000, Newer).

%% Kept for at most so many visitors; the latest of each.
limits_bound_test() ->
    Rates = rates(),
    Limits = lists:foldl(fun(N, Acc) ->
                                 {_, Next} = mod_lhc_limits:admit({displayed, N rem 500}, signal, N, Rates, 0, Acc),
                                 Next
                         end, mod_lhc_limits:new(), lists:seq(1, 7000)),
    {Reports, true, _} = mod_lhc_limits:due(Rates, 1000, Limits),
    3 = length(Reports),
    true = lists:min(Reports) > 6000,
    {All, false, _} = mod_lhc_limits:due(Rates#{signal_burst := 1000}, 1000000, Limits),
    100 = length(All).

limits_cancel_test() ->
    {_, Limits} = lists:mapfoldl(fun(N, Acc) -> mod_lhc_limits:admit({chat_state, v}, signal, N, rates(), 0, Acc) end,
                                 mod_lhc_limits:new(), lists:seq(1, 20)),
    {[], false, _} = mod_lhc_limits:due(rates(), 5000, mod_lhc_limits:cancel({chat_state, v}, Limits)),
    {[20], false, _} = mod_lhc_limits:due(rates(), 5000, Limits).

rates() ->
    #{message_rate => 1, message_burst => 5, signal_rate => 3, signal_burst => 10}.

usage_test() ->
    100 = mod_lhc_usage:limit(100, 1000, 1),
    25 = mod_lhc_usage:limit(100, 49, 10),
    5 = mod_lhc_usage:limit(100, 50, 10),
    25 = mod_lhc_usage:limit(100, 99, 2),
    1 = mod_lhc_usage:limit(100, 50, 1000).

%% Whatever order queues grow in, all together stay within the bound, and each gets its part.
usage_sum_test() ->
    [begin
         Counters = mod_lhc_usage:new(Queues),
         Slots = [mod_lhc_usage:slot(Counters, N) || N <- lists:seq(1, Queues)],
         Loads = lists:foldl(fun(_, Acc) ->
             N = rand:uniform(Queues),
             {Limit, _} = mod_lhc_usage:limit(lists:nth(N, Slots), {1000, 1000}),
             Load = maps:get(N, Acc, 0),
             case Load < Limit of
                 true ->
                     mod_lhc_usage:set(lists:nth(N, Slots), Load + 1, 0),
                     Acc#{N => Load + 1};
                 false -> Acc
             end
         end, #{}, lists:seq(1, 5000)),
         true = lists:sum(maps:values(Loads)) =< 1000,
         true = lists:all(fun(Load) -> Load >= 1000 div (2 * Queues) end, maps:values(Loads))
     end || Queues <- [2, 3, 7]].

fault_test() ->
    Fault = fun(Message) -> mod_lhc_stanza:fault(Message, 100) end,
    Text = fun(Bytes) -> #text{lang = <<>>, data = binary:copy(<<"x">>, Bytes)} end,
    Id = fun(Bytes) -> binary:copy(<<"i">>, Bytes) end,
    none = Fault(#message{id = Id(256), body = [Text(100)]}),
    none = Fault(#message{id = <<"1">>, body = [(Text(98))#text{lang = <<"de">>}]}),
    <<"The message is too long: it has 101 bytes, and at most 100 are allowed">> = Fault(#message{body = [Text(101)]}),
    <<"The message is too long", _/binary>> = Fault(#message{body = [Text(60), (Text(40))#text{lang = <<"d">>}]}),
    <<"The id of the message is too long", _/binary>> = Fault(#message{id = Id(257), body = [Text(1)]}),
    <<"The message has too many languages", _/binary>> = Fault(#message{body = lists:duplicate(21, Text(1))}),
    <<"The name of a language", _/binary>> = Fault(#message{body = [(Text(1))#text{lang = Id(65)}]}),
    Replace = xml(<<"replace">>, <<"urn:xmpp:message-correct:0">>, [{<<"id">>, Id(257)}], []),
    <<"The id of the corrected message", _/binary>> = Fault(#message{body = [Text(1)], sub_els = [Replace]}).

%% A cut text is valid UTF-8, a beginning of the text, and as long as possible.
cut_test() ->
    Text = <<"aä€🙂b"/utf8>>,
    [begin
         Cut = mod_lhc_stanza:cut(Text, Max),
         true = byte_size(Cut) =< Max andalso byte_size(Cut) > Max - 4,
         Cut = binary:part(Text, 0, byte_size(Cut)),
         true = is_list(unicode:characters_to_list(Cut))
     end || Max <- lists:seq(0, byte_size(Text))],
    Text = mod_lhc_stanza:cut(Text, 1000).

status_test() ->
    <<>> = mod_lhc_stanza:status([]),
    Long = binary:copy(<<"€"/utf8>>, 100000),
    1023 = byte_size(mod_lhc_stanza:status([#text{lang = <<>>, data = Long}])).

%% Each kind once; of markers and states the last one, of receipts the last few.
signals_test() ->
    Receipt = fun(N) -> xml(<<"received">>, <<"urn:xmpp:receipts">>, [{<<"id">>, integer_to_binary(N)}], []) end,
    Marker = fun(Id) -> xml(<<"displayed">>, <<"urn:xmpp:chat-markers:0">>, [{<<"id">>, Id}], []) end,
    State = fun(Name) -> xml(Name, <<"http://jabber.org/protocol/chatstates">>) end,
    Signals = fun(Body, Els) -> mod_lhc_stanza:signals(#message{body = Body, sub_els = Els}) end,
    [] = Signals([], []),
    [{receipts, Ids}, {displayed, <<"last">>}, {chat_state, paused}] =
        Signals([], [State(<<"composing">>) | [Marker(integer_to_binary(N)) || N <- lists:seq(1, 7000)]]
                    ++ [Receipt(N) || N <- lists:seq(1, 50)] ++ [Marker(<<"last">>), State(<<"gone">>)]),
    20 = length(Ids),
    true = lists:member(<<"50">>, Ids),
    [{displayed, <<"m">>}] = Signals([#text{data = <<"hi">>}], [State(<<"active">>), Marker(<<"m">>)]),
    [] = Signals([], [Marker(<<>>), Marker(binary:copy(<<"m">>, 257))]).

seen_known_test() ->
    with_table(fun() ->
        Known = fun() -> mod_lhc_seen:known(?T, <<"o">>, <<"v">>, <<"m">>) end,
        false = Known(),
        ok = mod_lhc_seen:add_session(?T, <<"o">>, <<"v">>, <<"m">>, self()),
        true = Known(),
        ok = mod_lhc_seen:remove_session(?T, <<"o">>, <<"v">>, <<"m">>, self()),
        %% The client may have read it before its session ended.
        {true, unknown} = {Known(), status(<<"m">>)}
    end).

seen_test() ->
    with_table(fun() ->
        Self = self(),
        unknown = status(<<"m">>),
        ok = mod_lhc_seen:add_session(?T, <<"o">>, <<"v">>, <<"m">>, Self),
        {routed, [Self]} = status(<<"m">>),
        true = mod_lhc_seen:in_session(?T, <<"o">>, <<"v">>, <<"m">>, Self),
        unknown = mod_lhc_seen:status(?T, <<"other">>, <<"v">>, <<"m">>),
        unknown = mod_lhc_seen:status(?T, <<"o">>, <<"other">>, <<"m">>),
        first = mod_lhc_seen:mark_delivered(?T, <<"o">>, <<"v">>, <<"m">>, ping),
        again = mod_lhc_seen:mark_delivered(?T, <<"o">>, <<"v">>, <<"m">>, receipt),
        {delivered, ping} = status(<<"m">>),
        %% A delivered message stays delivered.
        ok = mod_lhc_seen:mark_offline(?T, <<"o">>, <<"v">>, <<"m">>),
        ok = mod_lhc_seen:add_session(?T, <<"o">>, <<"v">>, <<"m">>, Self),
        {delivered, ping} = status(<<"m">>),
        ok = mod_lhc_seen:mark_offline(?T, <<"o">>, <<"v">>, <<"off">>),
        offline = status(<<"off">>),
        ok = mod_lhc_seen:add_session(?T, <<"o">>, <<"v">>, <<"off">>, Self),
        {routed, [Self]} = status(<<"off">>),
        ok = mod_lhc_seen:remove_session(?T, <<"o">>, <<"v">>, <<"off">>, Self),
        unknown = status(<<"off">>)
    end).

seen_dead_test() ->
    with_table(fun() ->
        {Pid, Ref} = spawn_monitor(fun() -> ok end),
        receive {'DOWN', Ref, _, _, _} -> ok end,
        ok = mod_lhc_seen:add_session(?T, <<"o">>, <<"v">>, <<"m">>, Pid),
        unknown = status(<<"m">>),
        ok = mod_lhc_seen:move_session(?T, <<"o">>, <<"v">>, <<"m">>, Pid, self()),
        {routed, [_]} = status(<<"m">>)
    end).

%% Only the last 1,000 messages of each operator stay.
seen_bound_test() ->
    with_table(fun() ->
        [first = mod_lhc_seen:mark_delivered(?T, Operator, <<"v">>, integer_to_binary(N), ping)
         || N <- lists:seq(1, 1500), Operator <- [<<"o">>, <<"p">>]],
        unknown = status(<<"500">>),
        {delivered, ping} = status(<<"501">>),
        {delivered, ping} = status(<<"1500">>),
        4002 = ets:info(?T, size)
    end).

seen_forget_test() ->
    with_table(fun() ->
        [first = mod_lhc_seen:mark_delivered(?T, Operator, <<"v">>, integer_to_binary(N), ping)
         || N <- lists:seq(1, 1200), Operator <- [<<"o">>, <<"p">>]],
        ok = mod_lhc_seen:forget_operator(?T, <<"o">>),
        ok = mod_lhc_seen:forget_operator(?T, <<"nobody">>),
        unknown = status(<<"1200">>),
        2001 = ets:info(?T, size)
    end).

%% Several sessions of an operator get a message and confirm it at the same time: exactly one is the first.
seen_race_test_() ->
    {timeout, 30, fun() -> with_table(fun() -> [race(N) || N <- lists:seq(1, 2000)] end) end}.

race(N) ->
    Id = integer_to_binary(N),
    Answers = [spawn_answer(Id) || _ <- lists:seq(1, 6)],
    Results = [receive {Ref, Answer} -> Answer end || Ref <- Answers],
    [first] = [Answer || Answer <- Results, Answer =:= first],
    {delivered, ping} = status(Id).

spawn_answer(Id) ->
    Test = self(),
    Ref = make_ref(),
    spawn_link(fun() ->
        ok = mod_lhc_seen:add_session(?T, <<"o">>, <<"v">>, Id, self()),
        Test ! {Ref, mod_lhc_seen:mark_delivered(?T, <<"o">>, <<"v">>, Id, ping)}
    end),
    Ref.

%% The report of a crash shows kinds and places.
crash_test() ->
    Text = <<"what an operator wrote">>,
    [#{reason := Kind, log := [], state := hidden, message := hidden} =
         mod_lhc_log:status(#{reason => Reason, log => [Text], state => Text, message => Text})
     || {Kind, Reason} <- [{badarg, badarg}, {badmatch, {badmatch, Text}}, {unknown, Text}, {unknown, {Text, badarg}}]],
    hidden = mod_lhc_log:status(),
    {stop, {shutdown, crashed}, state} = mod_lhc_log:guarded(?MODULE, state, fun() -> error({badmatch, Text}) end),
    default = mod_lhc_log:hook(hook, default, fun() -> throw(Text) end).

xml(Name, Space) ->
    xml(Name, Space, [], []).

xml(Name, Space, Attrs, Children) ->
    {xmlel, Name, [{<<"xmlns">>, Space} | Attrs], Children}.

status(Id) ->
    mod_lhc_seen:status(?T, <<"o">>, <<"v">>, Id).

with_table(Test) ->
    mod_lhc_seen:new(?T),
    try Test()
    after ets:delete(?T)
    end.

add_message(Id, Session) when is_atom(Id) ->
    mod_lhc_session:add_message(<<"v">>, atom_to_binary(Id, utf8), Session);
add_message(Id, Session) ->
    mod_lhc_session:add_message(<<"v">>, integer_to_binary(Id), Session).
