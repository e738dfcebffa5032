%%% The contacts of a component: reading of IQs, the table and its process, what waits to be told. Without ejabberd.

-module(mod_lhc_contacts_tests).

-export([component_test/0, pack_test/0, entries_test/0, take_test/0, merge_test/0, news_test/0, bound_test/0, page_test/0,
         crash_test/0, dead_session_test/0,
         begin_again_test/0]).

-include("xmpp.hrl").

-define(HOST, <<"contacts.test">>).
-define(AT, <<"@visitors.contacts.test">>).

component_test() ->
    [true = mod_lhc_contacts_iq:is_component(Domain, <<"v.h">>) || Domain <- [<<"v.h">>, <<"0a1b.v.h">>]],
    [false = mod_lhc_contacts_iq:is_component(Domain, <<"v.h">>) || Domain <- [<<"h">>, <<"a.b.v.h">>, <<".v.h">>, <<"av.h">>, <<"v.h.x">>]].

%% A packed presence is the same presence.
pack_test() ->
    From = #jid{user = <<"v">>, server = <<"h">>, resource = <<"R">>, luser = <<"v">>, lserver = <<"h">>, lresource = <<"R">>},
    Photo = #xmlel{name = <<"x">>, attrs = [{<<"xmlns">>, <<"vcard-temp:x:update">>}], children = []},
    Presence = #presence{type = available, show = away, priority = 3, status = [#text{lang = <<"en">>, data = <<"gone">>}],
                         sub_els = [Photo]},
    {<<"R">>, Presence} = mod_lhc_contacts_iq:unpack(mod_lhc_contacts_iq:pack(Presence#presence{from = From})),
    {<<>>, #presence{type = unavailable}} =
        mod_lhc_contacts_iq:unpack(mod_lhc_contacts_iq:pack(#presence{type = unavailable, show = away})).

%% Nothing of the stanza's text is kept by a change: a name is not a part of a larger binary.
entries_test() ->
    %% JIDs are read by native code, which ejabberd would load. From 26.07 on it loads itself.
    try stringprep:load_nif() catch error:undef -> ok end,
    ok = jid:start(),
    Text = <<"name", (binary:copy(<<"x">>, 1000))/binary>>,
    Name = binary:part(Text, 0, 100),
    El = xml(<<"contact">>, [{<<"jid">>, <<"visitor.1", (?AT)/binary>>}, {<<"name">>, Name}]),
    {ok, [{put, <<>>, <<"visitor.1@visitors.contacts.test">>, Kept, <<>>, <<>>}], []} = changes([El]),
    100 = binary:referenced_byte_size(Kept),
    {ok, [{gone, <<"acme">>, Gone}], [{<<"acme">>, Gone}]} =
        changes([xml(<<"gone">>, [{<<"jid">>, <<"visitors.acme", (?AT)/binary>>}, {<<"forget">>, <<"true">>}])]),
    {error, _} = changes([]).

changes(Entries) ->
    Config = #{visitor_host => <<"visitors.contacts.test">>, visitor_prefix => <<"visitor.">>},
    mod_lhc_contacts_iq:changes(#xmlel{name = <<"contacts">>, children = Entries}, Config).

xml(Name, Attrs) ->
    #xmlel{name = Name, attrs = Attrs}.

take_test() ->
    All = maps:from_list([{integer_to_binary(N), 1 + N rem 3} || N <- lists:seq(1, 120)]),
    {First, Others} = mod_lhc_feed:take(50, All),
    {50, 70} = {length(First), map_size(Others)},
    All = maps:merge(maps:from_list(First), Others),
    {Rest, Empty} = mod_lhc_feed:take(70, Others),
    {70, 0} = {length(Rest), map_size(Empty)}.

%% What an operator has stored wins, and no group is there twice.
merge_test() ->
    Jid = #jid{user = <<"v">>, server = <<"h">>, luser = <<"v">>, lserver = <<"h">>},
    New = {<<"Anna">>, <<"visitors">>},
    #roster_item{name = <<"Anna">>, subscription = both, groups = [<<"visitors">>]} = mod_lhc_feed:merge(Jid, none, New),
    Own = #roster_item{jid = Jid, name = <<"Boat">>, subscription = none, ask = subscribe, groups = [<<"VIP">>]},
    #roster_item{name = <<"Boat">>, subscription = both, ask = undefined, groups = [<<"VIP">>, <<"visitors">>]} = Merged =
        mod_lhc_feed:merge(Jid, Own, New),
    Merged = mod_lhc_feed:merge(Jid, Merged, New),
    #roster_item{name = <<"Anna">>} = mod_lhc_feed:merge(Jid, Own#roster_item{name = <<>>}, New),
    Own = mod_lhc_feed:merge(Jid, Own, {none, <<>>}),
    #roster_item{subscription = remove} = mod_lhc_feed:merge(Jid, none, {none, <<>>}).

%%% ---------------------------------------------------------------- the process

%% A session is told of its instance's changes, of what has changed, and only of that.
news_test() ->
    with_contacts(fun(Config) ->
        ok = mod_lhc_contacts:follow(Config, <<"acme">>, <<"olga.acme">>, self()),
        [P, Q] = [mod_lhc_contacts_iq:pack(#presence{show = Show}) || Show <- [away, xa]],
        ok = put_contacts(Config, [{<<"acme">>, <<"1">>, <<"Anna">>, P}, {<<>>, <<"1">>, <<"Anna">>, P}]),
        [{<<"1">>, 3}] = told(<<"acme">>),
        ok = put_contacts(Config, [{<<"acme">>, <<"1">>, <<"Anne">>, P}, {<<"acme">>, <<"2">>, <<"Bob">>, <<>>}]),
        [{<<"1">>, 1}, {<<"2">>, 1}] = told(<<"acme">>),
        ok = put_contacts(Config, [{<<"acme">>, <<"1">>, <<"Anne">>, Q}, {<<"acme">>, <<"2">>, <<"Bob">>, <<>>}]),
        [{<<"1">>, 2}] = told(<<"acme">>),
        {<<"Anne">>, Q} = mod_lhc_contacts:find(Config, <<"acme">>, <<"1">>),
        [<<"1">>] = mod_lhc_contacts:present(Config, <<"acme">>),
        ok = mod_lhc_contacts:change(Config, [{gone, <<"acme">>, <<"1">>}, {gone, <<"acme">>, <<"3">>}, {gone, <<>>, <<"1">>}]),
        [{<<"1">>, 3, <<>>}] = told(<<"acme">>),
        none = mod_lhc_contacts:find(Config, <<"acme">>, <<"1">>),
        ok = mod_lhc_contacts:leave(Config, <<"acme">>, self()),
        ok = mod_lhc_contacts:clear(Config),
        nothing = told(<<"acme">>),
        true = mod_lhc_contacts:is_empty(Config)
    end).

%% Of what is too much nothing is done. Whoever goes in the same IQ makes room.
bound_test() ->
    with_contacts(fun(Config) ->
        ok = put_contacts(Config, [{<<>>, <<"1">>, <<>>, <<>>}, {<<>>, <<"2">>, <<>>, <<>>}]),
        {error, {full, <<>>}} = put_contacts(Config, [{<<>>, <<"1">>, <<"x">>, <<>>}, {<<>>, <<"3">>, <<>>, <<>>}, {<<>>, <<"4">>, <<>>, <<>>}]),
        {<<>>, <<>>} = mod_lhc_contacts:find(Config, <<>>, <<"1">>),
        ok = mod_lhc_contacts:change(Config, [{put, <<>>, <<"3">>, <<>>, <<>>, <<>>}, {put, <<>>, <<"4">>, <<>>, <<>>, <<>>}, {gone, <<>>, <<"1">>}]),
        ok = put_contacts(Config, [{<<"acme">>, <<"1">>, <<>>, <<>>}]),
        [<<"2">>, <<"3">>, <<"4">>] = mod_lhc_contacts:jids(Config, <<>>)
    end).

page_test() ->
    with_contacts(fun(Config) ->
        ok = mod_lhc_contacts:change(Config, [{put, I, J, <<>>, <<"h", J/binary>>, <<>>} || I <- [<<>>, <<"acme">>], J <- [<<"b">>, <<"a">>]]),
        {[{<<"a">>, <<"ha">>}], true} = mod_lhc_contacts:page(Config, <<>>, <<>>, 1),
        {[{<<"b">>, <<"hb">>}], false} = mod_lhc_contacts:page(Config, <<>>, <<"a">>, 1),
        {[], false} = mod_lhc_contacts:page(Config, <<>>, <<"b">>, 1)
    end).

%% A crash of the process loses neither contacts nor sessions nor the count.
crash_test() ->
    with_contacts(fun(#{contacts_proc := Name} = Config) ->
        ok = mod_lhc_contacts:follow(Config, <<>>, <<"olga">>, self()),
        ok = put_contacts(Config, [{<<>>, <<"1">>, <<>>, <<>>}, {<<>>, <<"2">>, <<>>, <<>>}]),
        _ = told(<<>>),
        Pid = whereis(Name),
        unlink(Pid),
        Ref = monitor(process, Pid),
        exit(Pid, kill),
        receive {'DOWN', Ref, _, _, _} -> ok end,
        {error, unavailable} = put_contacts(Config, [{<<>>, <<"3">>, <<>>, <<>>}]),
        {ok, _} = mod_lhc_contacts:start_link(?HOST),
        {error, {full, <<>>}} = put_contacts(Config, [{<<>>, <<"3">>, <<>>, <<>>}, {<<>>, <<"4">>, <<>>, <<>>}]),
        ok = put_contacts(Config, [{<<>>, <<"3">>, <<>>, <<>>}]),
        [{<<"3">>, 1}] = told(<<>>)
    end).

%% A session that was killed leaves nothing behind.
dead_session_test() ->
    with_contacts(fun(#{feeds := Feeds} = Config) ->
        Session = spawn(fun() -> receive stop -> ok end end),
        ok = mod_lhc_contacts:follow(Config, <<>>, <<"olga">>, Session),
        1 = ets:info(Feeds, size),
        exit(Session, kill),
        ok = wait(fun() -> ets:info(Feeds, size) =:= 0 end, 500)
    end).

%% After a start of the module a session is told of all contacts that came before it knew of the start.
begin_again_test() ->
    with_contacts(fun(Config) ->
        ok = put_contacts(Config, [{<<>>, <<"1">>, <<>>, <<>>}]),
        Jid = #jid{user = <<"olga">>, server = ?HOST, luser = <<"olga">>, lserver = ?HOST},
        Session = #{jid => Jid, mod_lhc_feed => #{instance => <<>>, asked => true, pending => #{<<"0">> => 1}, left => #{},
                                                 is_due => true}},
        #{mod_lhc_feed := #{instance := <<>>, is_due := true, pending := #{<<"0">> := 1, <<"1">> := 1}}} =
            mod_lhc_feed:follow(<<>>, Config, mod_lhc_feed:begin_again(Session)),
        ok = receive {mod_lhc, contacts_due} -> ok after 0 -> nothing end,
        ok = put_contacts(Config, [{<<>>, <<"2">>, <<>>, <<>>}]),
        [{<<"2">>, 1}] = told(<<>>)
    end).

with_contacts(Test) ->
    Config = #{contacts => contacts_under_test, feeds => feeds_under_test, contacts_proc => contacts_proc_under_test,
               max_contacts => 3},
    persistent_term:put({mod_lhc, ?HOST}, Config),
    ok = mod_lhc_contacts:new(Config),
    {ok, _} = mod_lhc_contacts:start_link(?HOST),
    try Test(Config)
    after
        case whereis(contacts_proc_under_test) of
            undefined -> ok;
            Pid -> gen_server:stop(Pid)
        end,
        [ets:delete(Table) || Table <- [contacts_under_test, feeds_under_test]],
        persistent_term:erase({mod_lhc, ?HOST})
    end.

put_contacts(Config, Contacts) ->
    mod_lhc_contacts:change(Config, [{put, Instance, Jid, Name, <<>>, Presence} || {Instance, Jid, Name, Presence} <- Contacts]).

told(Instance) ->
    receive {mod_lhc, {contacts, Instance, News}} -> lists:sort(News)
    after 0 -> nothing
    end.

wait(_, 0) -> timeout;
wait(Condition, Tries) ->
    case Condition() of
        true -> ok;
        false -> timer:sleep(10), wait(Condition, Tries - 1)
    end.
