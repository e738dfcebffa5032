%%% What an operator's message to a visitor says, and whether it is small enough to be recorded. Pure.
%%%
%%% A listener may let in stanzas of any size. So every part that goes into an event has a bound here.

-module(mod_lhc_stanza).

-export([fault/2, content/1, requests/2, signals/1, status/1]).
%% For tests.
-export([unsupported/1, replaces/1, cut/2]).

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

-type content() :: none | {message | unsupported, [mod_lhc_json:member()]}.
-type signal() :: {receipts, [binary()]} | {displayed, binary()} | {chat_state, composing | paused | active}.

-export_type([signal/0]).

%%% ---------------------------------------------------------------- bounds

%% Why the message cannot be recorded, for its sender; none if it can. Texts with their languages may have so many bytes.
-spec fault(message(), pos_integer()) -> none | binary().
fault(#message{id = Id, body = Body, sub_els = Els}, MaxText) ->
    Size = lists:sum([byte_size(Lang) + byte_size(Text) || #text{lang = Lang, data = Text} <- Body]),
    LongLanguage = lists:any(fun(#text{lang = Lang}) -> byte_size(Lang) > ?MAX_LANGUAGE_BYTES end, Body),
    Replaced = replaces(Els),
    if
        Size > MaxText ->
            text("The message is too long: it has ~b bytes, and at most ~b are allowed", [Size, MaxText]);
        byte_size(Id) > ?MAX_ID_BYTES ->
            text("The id of the message is too long: at most ~b bytes are allowed", [?MAX_ID_BYTES]);
        length(Body) > ?MAX_LANGUAGES ->
            text("The message has too many languages: at most ~b are allowed", [?MAX_LANGUAGES]);
        LongLanguage ->
            text("The name of a language is too long: at most ~b bytes are allowed", [?MAX_LANGUAGE_BYTES]);
        true ->
            case Replaced of
                [{replaces, Other}] when byte_size(Other) > ?MAX_ID_BYTES ->
                    text("The id of the corrected message is too long: at most ~b bytes are allowed", [?MAX_ID_BYTES]);
                _ -> none
            end
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
        {none, []} ->
            none;
        {none, _} ->
            Texts = lists:ukeysort(1, [{Lang, Text} || #text{lang = Lang, data = Text} <- Body]),
            ThreadId = case Thread of
                           #message_thread{data = Data} when Data =/= <<>> -> [{thread, cut(Data, ?MAX_THREAD_BYTES)}];
                           _ -> []
                       end,
            {message, [{id, Id}, {body, {Texts}} | ThreadId ++ replaces(Els)]};
        {What, _} ->
            {unsupported, [{id, Id}, {what, What}]}
    end.

%% The id of the message that this one corrects (XEP-0308).
-spec replaces([term()]) -> [{replaces, binary()}].
replaces(Els) ->
    lists:sublist([{replaces, Id} || Xml <- encoded(Els),
                                     qualified_name(Xml) =:= {<<"urn:xmpp:message-correct:0">>, <<"replace">>},
                                     Id <- [fxml:get_tag_attr_s(<<"id">>, Xml)], Id =/= <<>>], 1).

%% The kind of content that a visitor cannot be shown. Its text, if there is one, only says that the reader's client does
%% not support it. The text of a reaction (XEP-0444) repeats the reaction, so that is an ordinary message.
-spec unsupported(message()) -> none | encrypted | retraction | reaction.
unsupported(#message{body = Body, sub_els = Els}) ->
    Otr = lists:any(fun(#text{data = <<"?OTR", _/binary>>}) -> true; (_) -> false end, Body),
    Kinds = [encrypted || Otr] ++ [unsupported(qualified_name(Xml), Xml, Body) || Xml <- encoded(Els)],
    hd([Kind || Kind <- Kinds, Kind =/= none] ++ [none]).

%% OpenPGP (XEP-0373, XEP-0027), explicit encryption (XEP-0380), OMEMO (XEP-0384) in its old and current namespace,
%% retractions (XEP-0424) in their current form and the one before version 0.4.
unsupported({<<"urn:xmpp:openpgp:0">>, <<"openpgp">>}, _, _) -> encrypted;
unsupported({<<"jabber:x:encrypted">>, <<"x">>}, _, _) -> encrypted;
unsupported({<<"urn:xmpp:eme:0">>, <<"encryption">>}, _, [_ | _]) -> encrypted;
unsupported({<<"eu.siacs.conversations.axolotl">>, <<"encrypted">>}, Xml, Body) -> omemo(Xml, Body);
unsupported({<<"urn:xmpp:omemo:", _/binary>>, <<"encrypted">>}, Xml, Body) -> omemo(Xml, Body);
unsupported({<<"urn:xmpp:message-retract:", _/binary>>, <<"retract">>}, _, _) -> retraction;
unsupported({<<"urn:xmpp:fasten:0">>, <<"apply-to">>}, Xml, _) -> if_has(<<"retract">>, Xml, retraction);
unsupported({<<"urn:xmpp:reactions:0">>, <<"reactions">>}, Xml, []) -> if_has(<<"reaction">>, Xml, reaction);
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
