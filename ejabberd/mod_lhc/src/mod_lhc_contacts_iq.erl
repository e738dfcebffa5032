%%% The IQs by which a component says who its contacts are (urn:xmpp-chat:contacts:1; README.md has examples).
%%%
%%% A stanza's sender is an attribute that a component may write as it likes (`check_from: false` of its listener). So what
%%% counts is the connection: ejabberd's process of a component runs mark/1 with the domain that the component has
%%% authenticated as. Only the component of this host's visitors is heard, by its own name or a name of one label below it.

-module(mod_lhc_contacts_iq).

-export([mark/1, process/1, decode_iq_subel/1]).
%% For tests.
-export([changes/2, query/1, pack/1, unpack/1, is_component/2]).

-include("xmpp.hrl").

-define(NS, <<"urn:xmpp-chat:contacts:1">>).
-define(MAX_ENTRIES, 100).
-define(MAX_PAGE, 500).
%% In bytes.
-define(MAX_NAME, 1023).
-define(MAX_HASH, 128).
-define(MAX_PRESENCE, 8192).

-type packed() :: binary().

%% The hook component_send_packet, in the process of a component's connection: which component has sent the IQ.
mark({#iq{sub_els = [El]} = Iq, #{remote_server := Component} = State} = Acc) ->
    mod_lhc_log:hook(mark, Acc, fun() ->
        case xmpp:get_ns(El) of
            ?NS -> {xmpp:put_meta(Iq, mod_lhc_component, Component), State};
            _ -> Acc
        end
    end);
mark(Acc) ->
    Acc.

%% gen_iq_handler calls this instead of a decoder that knows only ejabberd's own namespaces.
-spec decode_iq_subel(xmlel()) -> xmlel().
decode_iq_subel(El) ->
    El.

%% The IQ handler of the host. It runs in the process of the component's connection, which waits until the change is made.
-spec process(iq()) -> iq().
process(Iq) ->
    %% ejabberd would log the IQ, which has names, with an exception.
    mod_lhc_log:hook(process, unavailable(Iq), fun() -> answer(Iq) end).

answer(#iq{type = Type, to = #jid{lserver = Host}, sub_els = [El], lang = Lang} = Iq) ->
    case {sender(Iq, mod_lhc:config(Host)), Type, El} of
        {{ok, Config}, set, #xmlel{name = <<"contacts">>}} -> set(changes(El, Config), Config, Iq);
        {{ok, Config}, get, #xmlel{name = <<"contacts">>}} -> get(query(El), Config, Iq);
        {{ok, _}, _, _} -> xmpp:make_error(Iq, xmpp:err_bad_request(<<"The element contacts is missing">>, Lang));
        {forbidden, _, _} ->
            Text = <<"Only the component of visitors may say who its contacts are">>,
            xmpp:make_error(Iq, xmpp:err_forbidden(Text, Lang))
    end.

sender(_, undefined) ->
    forbidden;
sender(#iq{from = #jid{luser = <<>>, lserver = From, lresource = <<>>}} = Iq, #{visitor_host := VisitorHost} = Config) ->
    case xmpp:get_meta(Iq, mod_lhc_component, none) =:= From andalso is_component(From, VisitorHost) of
        true -> {ok, Config};
        false -> forbidden
    end;
sender(_, _) ->
    forbidden.

%% True for the domain of the component itself, and for one with a single label before it.
-spec is_component(binary(), binary()) -> boolean().
is_component(VisitorHost, VisitorHost) ->
    true;
is_component(Domain, VisitorHost) ->
    case binary:split(Domain, <<".">>) of
        [Label, VisitorHost] -> Label =/= <<>>;
        _ -> false
    end.

set({ok, Changes, Forgotten}, Config, #iq{to = #jid{lserver = Host}, lang = Lang} = Iq) ->
    case mod_lhc_contacts:change(Config, Changes) of
        ok ->
            ok = mod_lhc_roster:forget(Host, Forgotten),
            xmpp:make_iq_result(Iq);
        {error, {full, Instance}} ->
            #{max_contacts := Max} = Config,
            Text = text("Too many contacts of the instance '~ts': at most ~b are allowed (max_contacts)", [Instance, Max]),
            Most = #xmlel{name = <<"most">>, attrs = [{<<"xmlns">>, ?NS}], children = [{xmlcdata, integer_to_binary(Max)}]},
            Error = xmpp:err_resource_constraint(Text, Lang),
            xmpp:make_error(Iq, Error#stanza_error{sub_els = [Most]});
        {error, unavailable} -> unavailable(Iq)
    end;
set({error, Text}, _Config, #iq{lang = Lang} = Iq) ->
    xmpp:make_error(Iq, xmpp:err_bad_request(Text, Lang)).

unavailable(#iq{lang = Lang} = Iq) ->
    Text = <<"The contacts cannot be changed now. Send this again">>,
    xmpp:make_error(Iq, xmpp:err_remote_server_timeout(Text, Lang)).

get({ok, {Instance, After, Max}}, Config, Iq) ->
    {Page, More} = mod_lhc_contacts:page(Config, Instance, After, Max),
    Children = [#xmlel{name = <<"contact">>, attrs = [{<<"jid">>, Jid}, {<<"hash">>, Hash}]} || {Jid, Hash} <- Page],
    xmpp:make_iq_result(Iq, #xmlel{name = <<"contacts">>, attrs = [{<<"xmlns">>, ?NS}, {<<"more">>, atom_to_binary(More, utf8)}],
                                   children = Children});
get({error, Text}, _Config, #iq{lang = Lang} = Iq) ->
    xmpp:make_error(Iq, xmpp:err_bad_request(Text, Lang)).

%%% ---------------------------------------------------------------- reading

%% The changes in the element, or the reason why none of them is made.
%% With those whom operators' rosters are to forget.
-spec changes(xmlel(), mod_lhc:config()) ->
          {ok, [mod_lhc_contacts:change()], [{mod_lhc_names:instance(), binary()}]} | {error, binary()}.
changes(#xmlel{children = Children}, Config) ->
    Entries = [El || #xmlel{} = El <- Children],
    try
        length(Entries) > 0 orelse fault("There is neither contact nor gone", []),
        length(Entries) =< ?MAX_ENTRIES orelse fault("At most ~b entries are allowed", [?MAX_ENTRIES]),
        Changes = [change(N, El, Config) || {N, El} <- lists:zip(lists:seq(1, length(Entries)), Entries)],
        Jids = [element(3, Change) || Change <- Changes],
        [fault("~ts is in two entries", [Jid]) || Jid <- Jids -- lists:usort(Jids)],
        {ok, Changes, [{Instance, Jid} || {{gone, Instance, Jid}, El} <- lists:zip(Changes, Entries),
                                          fxml:get_tag_attr_s(<<"forget">>, El) =:= <<"true">>]}
    catch throw:{fault, Text} -> {error, Text}
    end.

change(N, #xmlel{name = <<"contact">>, children = Children} = El, Config) ->
    {Instance, Jid, #jid{} = Parsed} = contact_jid(N, El, Config),
    Presence = case [Child || #xmlel{} = Child <- Children] of
                   [] -> <<>>;
                   [#xmlel{name = <<"presence">>} = Xml] -> presence(N, Xml, Parsed);
                   _ -> fault("Entry ~b: a contact has at most one child, presence", [N])
               end,
    {put, Instance, Jid, short(N, <<"name">>, ?MAX_NAME, El), short(N, <<"hash">>, ?MAX_HASH, El), Presence};
change(N, #xmlel{name = <<"gone">>} = El, Config) ->
    {Instance, Jid, _} = contact_jid(N, El, Config),
    lists:member(fxml:get_tag_attr_s(<<"forget">>, El), [<<>>, <<"true">>, <<"false">>])
        orelse fault("Entry ~b: forget: it must be true or false", [N]),
    {gone, Instance, Jid};
change(N, #xmlel{name = Name}, _Config) ->
    fault("Entry ~b: ~ts is neither contact nor gone", [N, cut(Name)]).

contact_jid(N, El, #{visitor_host := VisitorHost, visitor_prefix := Prefix}) ->
    Text = fxml:get_tag_attr_s(<<"jid">>, El),
    try jid:decode(Text) of
        #jid{luser = User, lserver = VisitorHost, lresource = <<>>} = Jid ->
            case mod_lhc_names:visitor(User, Prefix) of
                {ok, Instance} -> {binary:copy(Instance), jid:encode(jid:tolower(Jid)), Jid};
                _ -> fault("Entry ~b: jid: ~ts is no name of a visitor", [N, cut(User)])
            end;
        _ -> fault("Entry ~b: jid: it must be a bare JID at ~ts", [N, VisitorHost])
    catch error:{bad_jid, _} -> fault("Entry ~b: jid: it is no JID", [N])
    end.

short(N, Name, Max, El) ->
    case fxml:get_tag_attr_s(Name, El) of
        Value when byte_size(Value) > Max -> fault("Entry ~b: ~ts has more than ~b bytes", [N, Name, Max]);
        %% A part of the stanza's text would keep all of it in memory.
        Value -> binary:copy(Value)
    end.

presence(N, #xmlel{attrs = Attrs} = Xml, Bare) ->
    Named = Xml#xmlel{attrs = [{<<"xmlns">>, ?NS_CLIENT} | proplists:delete(<<"xmlns">>, Attrs)]},
    try xmpp:decode(Named, ?NS_CLIENT, [ignore_els]) of
        #presence{type = Type, from = From} = Presence when Type =:= available; Type =:= unavailable ->
            From =:= undefined orelse jid:remove_resource(jid:tolower(From)) =:= jid:tolower(Bare)
                orelse fault("Entry ~b: presence: from must be a JID of the contact", [N]),
            case pack(Presence) of
                Packed when byte_size(Packed) > ?MAX_PRESENCE ->
                    fault("Entry ~b: presence: it has more than ~b bytes", [N, ?MAX_PRESENCE]);
                Packed -> Packed
            end;
        #presence{} -> fault("Entry ~b: presence: its type must be unavailable, or missing", [N])
    catch error:{xmpp_codec, Why} -> fault("Entry ~b: presence: ~ts", [N, xmpp:format_error(Why)])
    end.

%% Instance, After and Max of a page.
-spec query(xmlel()) -> {ok, {binary(), binary(), pos_integer()}} | {error, binary()}.
query(El) ->
    Instance = fxml:get_tag_attr_s(<<"instance">>, El),
    try
        Instance =:= <<>> orelse mod_lhc_names:is_instance(Instance) orelse fault("instance: it is no name of an instance", []),
        Max = case fxml:get_tag_attr_s(<<"max">>, El) of
                  <<>> -> ?MAX_PAGE;
                  Digits when byte_size(Digits) =< 4 -> binary_to_integer(Digits);
                  _ -> 0
              end,
        Max >= 1 andalso Max =< ?MAX_PAGE orelse fault("max: it must be from 1 to ~b", [?MAX_PAGE]),
        {ok, {Instance, fxml:get_tag_attr_s(<<"after">>, El), Max}}
    catch
        throw:{fault, Text} -> {error, Text};
        error:badarg -> {error, text("max: it must be from 1 to ~b", [?MAX_PAGE])}
    end.

%%% ---------------------------------------------------------------- presences

%% A presence as the table has it: small, and quicker to read than XML. <<>>: the contact is unavailable.
-spec pack(presence()) -> packed().
pack(#presence{type = unavailable}) ->
    <<>>;
pack(#presence{from = From, show = Show, status = Status, priority = Priority, sub_els = Els}) ->
    Resource = case From of
                   #jid{resource = Name} -> Name;
                   undefined -> <<>>
               end,
    term_to_binary({Resource, Show, [{Lang, Text} || #text{lang = Lang, data = Text} <- Status], Priority,
                    [xmpp:encode(El) || El <- Els]}).

%% The resource that the presence comes from, and the presence without sender and receiver.
-spec unpack(packed()) -> {binary(), presence()}.
unpack(<<>>) ->
    {<<>>, #presence{type = unavailable}};
unpack(Packed) ->
    {Resource, Show, Status, Priority, Els} = binary_to_term(Packed),
    {Resource, #presence{type = available, show = Show, status = [#text{lang = Lang, data = Text} || {Lang, Text} <- Status],
                         priority = Priority, sub_els = Els}}.

-spec fault(string(), [term()]) -> no_return().
fault(Format, Values) ->
    throw({fault, text(Format, Values)}).

text(Format, Values) ->
    unicode:characters_to_binary(io_lib:format(Format, Values)).

cut(Text) ->
    mod_lhc_stanza:cut(Text, 100).
