#pragma once

#include "app/models/catalog/catalog.h"
#include "app/models/download/downloader.h"
#include "app/models/files/fit.h"
#include "app/models/hub/hub.h"
#include "app/models/net/http_client.h"
#include "app/models/net/network_gate.h"
#include "app/models/net/secrets.h"
#include "ui/models/models_panel.h"

#include <QHash>
#include <QObject>
#include <QSet>

#include <functional>
#include <memory>

namespace hearth::app {

/// What the page of models asks the hubs: searches, a model's page, whether its files fit, tokens. Nothing leaves this
/// machine while the gate is closed. GUI thread.
class DiscoverDesk : public QObject {
    Q_OBJECT

public:
    struct Surroundings {
        ui::ModelsPanel& panel;
        NetworkGate& gate;
        Secrets& secrets;
        std::function<MachineMemory()> memory;
        std::function<QString()> folder;                      // where downloads go
        std::function<QString(const HubGroup&)> inLibrary;    // the path of what is there already; empty: it is not
        std::function<bool(const QString& request)> isQueued; // by DownloadRequest::id
        std::function<bool()> isChinese;                      // the window's language
    };

    explicit DiscoverDesk(Surroundings, QObject* parent = nullptr);
    ~DiscoverDesk() override;

    void setAddress(const QString& hub, const QString& address); // empty: the hub's own
    void refreshCatalog();                                       // memory, or the language, is another
    void refreshFiles();                                         // downloads or the library changed
    void refreshNetwork();

    const Catalog& catalog() const { return catalog_; }

    /// A secret by its name: what was entered in this session, else what the keyring has; empty: there is none.
    void token(const QString& name, QObject* context, const std::function<void(const QString&)>& done);

    /// "Hugging Face" is "huggingface".
    static QString hubId(const QString& name);

signals:
    void networkChosen(bool on);
    void addressChanged(const QString& hub, const QString& address);
    void downloadWanted(const hearth::app::DownloadRequest&);

private:
    struct HubDesk {
        QString id, address, token, problem;
        bool tokenRead = false;
        std::unique_ptr<Hub> hub;
    };

    /// A model's files whose headers are alike: one of them is read, the others differ in the size of their weights.
    struct Judged {
        std::shared_ptr<const engine::Checkpoint> header;
        qint64 bytes = 0; // of the file that was read
        QString problem;
        bool asked = false;
    };

    HubDesk& desk(const QString& id);
    void makeHub(HubDesk&);
    void showHubs();
    void search(const QString& hub, const QString& words);
    void openPage(const QString& hub, const QString& model);
    void closePage();
    void askModel(bool withToken);
    void askFiles();
    void judgeNext();
    void pageFailed(const HttpError&);
    void showPage();
    ui::FileGroupRow fileRow(const HubGroup&) const;
    std::optional<Fit> fitOf(const HubGroup&) const;
    static QString kindOf(const HubGroup&); // groups of one kind have one header
    void download(const QString& group);
    DownloadRequest requestFor(const HubGroup&) const;
    void keepToken(const QString& hub, const QString& token);
    void dropToken(const QString& hub);
    QString tokenName(const HubDesk&) const;

    Surroundings around_;
    HttpClient client_;
    Catalog catalog_;
    HubDesk hubs_[2];
    std::unique_ptr<QObject> searching_; // gone: its answer is not wanted any more
    std::unique_ptr<QObject> asking_;    // of the page
    ui::HubPageRow page_;
    HubModel model_;
    QVector<HubGroup> groups_;
    QHash<QString, Judged> judged_; // by kindOf()
};

} // namespace hearth::app
