%%% What an operator's message to a visitor says, and whether it is small enough to be recorded. Pure.
%%%
%%% A listener may let in stanzas of any size. So every part that goes into an event has a bound here.

-module(mod_lhc_stanza).

-export([fault/2, content/1, requests/2, signals/1, status/1]).
%% For tests.
-export([unsupported/1, replaces/1, reply/1, cut/2]).

-include("xmpp.hrl").

%% In bytes. Clients make ids of 8 to 50 bytes.
-define(MAX_ID_BYTES, 256).
%% A longer one is cut. The service does not use it.
-define(MAX_THREAD_BYTES, 256).
%% A longer status text is cut.
-define(MAX_STATUS_BYTES, 1024).
%% Languages of one message, and the length of the name of one, in bytes.
-define(MAX_LANGUAGES, 20).
-define(MAX_LANGUAGE_BYTES, 64).
%% Receipts of one stanza: the last ones count.
-define(MAX_RECEIPTS, 20).
%% Reactions of one stanza, and the length of one in bytes. The longest emoji of Unicode 16 has 35.
-define(MAX_REACTIONS, 20).
-define(MAX_REACTION_BYTES, 64).

-type content() :: none | {message | retraction | reaction | unsupported, [mod_lhc_json:member()]}.
-type signal() :: {receipts, [binary()]} | {displayed, binary()} | {chat_state, composing | paused | active}.

-export_type([signal/0]).

%%% ---------------------------------------------------------------- bounds

%% Why the message cannot be recorded, for its sender; none if it can. Texts with their languages may have so many bytes.
-spec fault(message(), pos_integer()) -> none | binary().
fault(#message{id = Id, body = Body, sub_els = Els}, MaxText) ->
    Size = lists:sum([byte_size(Lang) + byte_size(Text) || #text{lang = Lang, data = Text} <- Body]),
    LongLanguage = lists:any(fun(#text{lang = Lang}) -> byte_size(Lang) > ?MAX_LANGUAGE_BYTES end, Body),
    Long = [What || {What, Other} <- others(Els), byte_size(Other) > ?MAX_ID_BYTES],
    Reactions = reactions(Els),
    if
        Size > MaxText ->
            text("The message is too long: it has ~b bytes, and at most ~b are allowed", [Size, MaxText]);
        byte_size(Id) > ?MAX_ID_BYTES ->
            text("The id of the message is too long: at most ~b bytes are allowed", [?MAX_ID_BYTES]);
        length(Body) > ?MAX_LANGUAGES ->
            text("The message has too many languages: at most ~b are allowed", [?MAX_LANGUAGES]);
        LongLanguage ->
            text("The name of a language is too long: at most ~b bytes are allowed", [?MAX_LANGUAGE_BYTES]);
        Long =/= [] ->
            text("The id of the ~s message is too long: at most ~b bytes are allowed", [hd(Long), ?MAX_ID_BYTES]);
        length(Reactions) > ?MAX_REACTIONS ->
            text("The message has too many reactions: at most ~b are allowed", [?MAX_REACTIONS]);
        true ->
            case [Reaction || Reaction <- Reactions, byte_size(Reaction) > ?MAX_REACTION_BYTES] of
                [] -> none;
                _ -> text("A reaction is too long: at most ~b bytes are allowed", [?MAX_REACTION_BYTES])
            end
    end.

%% The ids of other messages that the message names. The one that it replies to is left out of the event if it is too long.
others(Els) ->
    [{"corrected", Id} || {replaces, Id} <- replaces(Els)]
        ++ [{"retracted", Id} || {retraction, Id} <- [retraction(Els)]]
        ++ [{"other", Id} || {reaction, Id, _} <- [reaction(Els)]].

reactions(Els) ->
    case reaction(Els) of
        {reaction, _, Reactions} -> Reactions;
        none -> []
    end.

text(Format, Values) ->
    iolist_to_binary(io_lib:format(Format, Values)).

%% The text of a presence, in the length that is reported.
-spec status([#text{}]) -> binary().
status(Texts) ->
    cut(xmpp:get_text(Texts), ?MAX_STATUS_BYTES).

%% The beginning of a text, at most so many bytes, that ends with a whole character.
-spec cut(binary(), non_neg_integer()) -> binary().
cut(Text, Max) when byte_size(Text) =< Max ->
    Text;
cut(Text, Max) ->
    case binary:at(Text, Max) band 2#11000000 of
        %% The next byte continues a character of UTF-8.
        2#10000000 when Max > 0 -> cut(Text, Max - 1);
        _ -> binary:part(Text, 0, Max)
    end.

%%% ---------------------------------------------------------------- content

%% What is recorded of the message: the type of its event, and the fields besides sender and receiver.
-spec content(message()) -> content().
content(#message{type = headline}) ->
    none;
content(#message{id = Id, body = Body, thread = Thread, sub_els = Els} = Message) ->
    case {unsupported(Message), Body} of
        {retraction, _} ->
            case retraction(Els) of
                {retraction, Retracted} -> {retraction, [{id, Id}, {retracts, Retracted}]};
                none -> {unsupported, [{id, Id}, {what, retraction}]}
            end;
        {reaction, _} ->
            case reaction(Els) of
                {reaction, Other, Reactions} -> {reaction, [{id, Id}, {reactsTo, Other}, {reactions, Reactions}]};
                none -> {unsupported, [{id, Id}, {what, reaction}]}
            end;
        {none, []} ->
            none;
        {none, _} ->
            Texts = lists:ukeysort(1, [{Lang, Text} || #text{lang = Lang, data = Text} <- Body]),
            ThreadId = case Thread of
                           #message_thread{data = Data} when Data =/= <<>> -> [{thread, cut(Data, ?MAX_THREAD_BYTES)}];
                           _ -> []
                       end,
            {message, [{id, Id}, {body, {Texts}} | ThreadId ++ replaces(Els) ++ reply(Els)]};
        {What, _} ->
            {unsupported, [{id, Id}, {what, What}]}
    end.

%% The id of the message that this one corrects (XEP-0308).
-spec replaces([term()]) -> [{replaces, binary()}].
replaces(Els) ->
    lists:sublist([{replaces, Id} || Xml <- encoded(Els),
                                     qualified_name(Xml) =:= {<<"urn:xmpp:message-correct:0">>, <<"replace">>},
                                     Id <- [fxml:get_tag_attr_s(<<"id">>, Xml)], Id =/= <<>>], 1).

%% The message that this one replies to (XEP-0461 0.3), and which part of the text only quotes it (XEP-0428 0.2: from the
%% first character to the one before the last, in characters of Unicode). Some clients have the namespace that an example of
%% XEP-0461 has.
-spec reply([term()]) -> [mod_lhc_json:member()].
reply(Els) ->
    Encoded = encoded(Els),
    case [Id || Xml <- Encoded, qualified_name(Xml) =:= {<<"urn:xmpp:reply:0">>, <<"reply">>},
                Id <- [fxml:get_tag_attr_s(<<"id">>, Xml)], Id =/= <<>>, byte_size(Id) =< ?MAX_ID_BYTES] of
        [] -> [];
        [Id | _] -> [{replyTo, Id} | lists:sublist(lists:flatmap(fun quote/1, Encoded), 1)]
    end.

quote(Xml) ->
    Name = qualified_name(Xml),
    IsFallback = lists:member(Name, [{<<"urn:xmpp:fallback:0">>, <<"fallback">>},
                                     {<<"urn:xmpp:feature-fallback:0">>, <<"fallback">>}]),
    case IsFallback andalso fxml:get_tag_attr_s(<<"for">>, Xml) =:= <<"urn:xmpp:reply:0">> andalso fxml:get_subtag(Xml, <<"body">>) of
        #xmlel{} = Body ->
            case [position(fxml:get_tag_attr_s(Attribute, Body)) || Attribute <- [<<"start">>, <<"end">>]] of
                [Start, End] when is_integer(Start), is_integer(End), Start < End -> [{quote, [Start, End]}];
                _ -> []
            end;
        _ -> []
    end.

%% A text is shorter than this by far.
position(Digits) when byte_size(Digits) =< 9 ->
    try binary_to_integer(Digits) of
        Number when Number >= 0 -> Number;
        _ -> none
    catch error:badarg -> none
    end;
position(_) ->
    none.

%% The message that is taken back (XEP-0424), in the form of version 0.4 and in the one before it.
retraction(Els) ->
    Ids = [fxml:get_tag_attr_s(<<"id">>, Xml) || Xml <- encoded(Els), is_retraction(qualified_name(Xml), Xml)],
    case [Id || Id <- Ids, Id =/= <<>>] of
        [] -> none;
        [Id | _] -> {retraction, Id}
    end.

is_retraction({<<"urn:xmpp:message-retract:", _/binary>>, <<"retract">>}, _) -> true;
is_retraction({<<"urn:xmpp:fasten:0">>, <<"apply-to">>}, Xml) -> fxml:get_subtag(Xml, <<"retract">>) =/= false;
is_retraction(_, _) -> false.

%% All reactions to a message that stand now (XEP-0444), in order and each once.
reaction(Els) ->
    case [{Id, Xml} || Xml <- encoded(Els), qualified_name(Xml) =:= {<<"urn:xmpp:reactions:0">>, <<"reactions">>},
                       Id <- [fxml:get_tag_attr_s(<<"id">>, Xml)], Id =/= <<>>] of
        [] -> none;
        [{Id, #xmlel{children = Children}} | _] ->
            All = [fxml:get_tag_cdata(Child) || #xmlel{name = <<"reaction">>} = Child <- Children],
            {reaction, Id, lists:foldl(fun(Text, Acc) ->
                                               case Text =:= <<>> orelse lists:member(Text, Acc) of
                                                   true -> Acc;
                                                   false -> Acc ++ [Text]
                                               end
                                       end, [], lists:sublist(All, ?MAX_REACTIONS + 1))}
    end.

%% The kind of content that is no text for the visitor. Its text, if there is one, only says that the reader's client does
%% not support it. A reaction (XEP-0444) with a text that is not marked as that is an ordinary message.
-spec unsupported(message()) -> none | encrypted | retraction | reaction.
unsupported(#message{body = Texts, sub_els = Els}) ->
    Encoded = encoded(Els),
    Body = case lists:any(fun is_reaction_fallback/1, Encoded) of
               true -> [];
               false -> Texts
           end,
    Otr = lists:any(fun(#text{data = <<"?OTR", _/binary>>}) -> true; (_) -> false end, Body),
    Kinds = [encrypted || Otr] ++ [unsupported(qualified_name(Xml), Xml, Body) || Xml <- Encoded],
    hd([Kind || Kind <- Kinds, Kind =/= none] ++ [none]).

%% The whole text is for clients that do not know reactions (XEP-0428).
is_reaction_fallback(Xml) ->
    qualified_name(Xml) =:= {<<"urn:xmpp:fallback:0">>, <<"fallback">>}
        andalso fxml:get_tag_attr_s(<<"for">>, Xml) =:= <<"urn:xmpp:reactions:0">>.

%% OpenPGP (XEP-0373, XEP-0027), explicit encryption (XEP-0380), OMEMO (XEP-0384) in its old and current namespace,
%% retractions (XEP-0424) in their current form and the one before version 0.4.
unsupported({<<"urn:xmpp:openpgp:0">>, <<"openpgp">>}, _, _) -> encrypted;
unsupported({<<"jabber:x:encrypted">>, <<"x">>}, _, _) -> encrypted;
unsupported({<<"urn:xmpp:eme:0">>, <<"encryption">>}, _, [_ | _]) -> encrypted;
unsupported({<<"eu.siacs.conversations.axolotl">>, <<"encrypted">>}, Xml, Body) -> omemo(Xml, Body);
unsupported({<<"urn:xmpp:omemo:", _/binary>>, <<"encrypted">>}, Xml, Body) -> omemo(Xml, Body);
unsupported({<<"urn:xmpp:message-retract:", _/binary>>, <<"retract">>}, _, _) -> retraction;
unsupported({<<"urn:xmpp:fasten:0">>, <<"apply-to">>}, Xml, _) -> if_has(<<"retract">>, Xml, retraction);
unsupported({<<"urn:xmpp:reactions:0">>, <<"reactions">>}, _, []) -> reaction;
unsupported(_, _, _) -> none.

%% Without a text and without a payload the element carries only keys.
omemo(_, [_ | _]) -> encrypted;
omemo(Xml, []) -> if_has(<<"payload">>, Xml, encrypted).

if_has(Name, Xml, Kind) ->
    case fxml:get_subtag(Xml, Name) of
        false -> none;
        _ -> Kind
    end.

%% As XML, whether ejabberd has decoded the elements or not. Names and namespaces are the same on all releases; the
%% records are not.
encoded(Els) ->
    [xmpp:encode(El) || El <- Els].

qualified_name(#xmlel{name = Name} = Xml) ->
    {fxml:get_tag_attr_s(<<"xmlns">>, Xml), Name}.

%% The acknowledgements that the client requests for its message (XEP-0184, XEP-0333). None if the message had no id: the
%% client could not match them.
-spec requests(binary(), [term()]) -> [{receipt | markable, true}].
requests(<<>>, _Els) ->
    [];
requests(_Id, Els) ->
    Names = [qualified_name(Xml) || Xml <- encoded(Els)],
    [{Member, true} || {Member, Name} <- [{receipt, {<<"urn:xmpp:receipts">>, <<"request">>}},
                                          {markable, {<<"urn:xmpp:chat-markers:0">>, <<"markable">>}}],
                       lists:member(Name, Names)].

%%% ---------------------------------------------------------------- signals

%% The receipts, the marker and the chat state of a message, each kind once: of several markers or chat states the last one
%% counts. With a text there is no chat state, because that implies that its sender is active.
-spec signals(message()) -> [signal()].
signals(#message{sub_els = Els, body = Body}) ->
    Found = [Signal || El <- Els, Signal <- [signal(xmpp:encode(El))], Signal =/= none],
    Receipts = lists:usort([Id || {receipt, Id} <- last(?MAX_RECEIPTS, [S || {receipt, _} = S <- Found])]),
    [{receipts, Receipts} || Receipts =/= []]
        ++ last(1, [Signal || {displayed, _} = Signal <- Found])
        ++ last(1, [Signal || {chat_state, _} = Signal <- Found, Body =:= []]).

last(N, List) ->
    lists:nthtail(max(0, length(List) - N), List).

signal(Xml) ->
    case {qualified_name(Xml), fxml:get_tag_attr_s(<<"id">>, Xml)} of
        {_, Id} when byte_size(Id) > ?MAX_ID_BYTES -> none;
        {{<<"urn:xmpp:receipts">>, <<"received">>}, Id} when Id =/= <<>> -> {receipt, Id};
        {{<<"urn:xmpp:chat-markers:0">>, <<"received">>}, Id} when Id =/= <<>> -> {receipt, Id};
        {{<<"urn:xmpp:chat-markers:0">>, <<"displayed">>}, Id} when Id =/= <<>> -> {displayed, Id};
        {{<<"http://jabber.org/protocol/chatstates">>, <<"composing">>}, _} -> {chat_state, composing};
        {{<<"http://jabber.org/protocol/chatstates">>, <<"active">>}, _} -> {chat_state, active};
        {{<<"http://jabber.org/protocol/chatstates">>, _}, _} -> {chat_state, paused};
        _ -> none
    end.
